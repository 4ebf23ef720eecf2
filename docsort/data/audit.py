"""What is wrong with a corpus, as one value. Each check stands in a file of its own; shows nothing.

Costly checks look at ``sampled`` documents, drawn once, the same for all of them.
"""

import json
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np

from docsort.core.errors import DataError
from docsort.core.probabilities import Task
from docsort.data.copies import Copies, find_copies
from docsort.data.corpus import Corpus
from docsort.data.documents import MAX_NAMED, Documents, Found
from docsort.data.duplicates import exact_clusters
from docsort.data.label_errors import suspected_label_errors
from docsort.data.label_names import look_alike, may_mean_missing
from docsort.data.labels import Ints, label_pairs
from docsort.data.ledger import Account
from docsort.data.text_oddities import other_languages, wrong_encoding
from docsort.data.token_lengths import Reading, TokenLengths, token_lengths

TRUSTED_ACCURACY = 0.8


@dataclass(frozen=True)
class Audit:
    """Everything that was looked for and found. Holds places of documents, never their text.

    ``rows_read`` counts rows by source, ``ledger`` says what became of them. ``labels`` counts
    documents by split and label.
    ``alike_labels`` and ``missing_labels`` are of label_names.py. ``crossing`` has
    the rows of given splits whose group (data.group_column) is in an earlier split too. ``tokens``
    is None when no tokenizer was given. ``baseline_accuracy`` is the out-of-fold accuracy of the
    model that suspects label errors: the lower it is, the less its suspicion means; None where
    there was nothing to learn.
    """

    name: str
    task: Task
    sources: dict[str, str]
    rows_read: dict[str, int]
    ledger: tuple[Account, ...]
    documents: dict[str, int]
    sampled: int
    dropped: dict[str, int]
    notes: tuple[str, ...]
    labels: dict[str, dict[str, int]]
    alike_labels: tuple[tuple[str, ...], ...]
    missing_labels: tuple[str, ...]
    copies: Copies
    crossing: dict[str, tuple[int, ...]]
    tokens: TokenLengths | None
    wrong_encoding: Found
    language: str | None
    other_language: Found
    label_errors: Found
    baseline_accuracy: float | None

    @property
    def num_documents(self) -> int:
        """Documents in all splits."""
        return sum(self.documents.values())

    @property
    def suspicions_weigh(self) -> bool:
        """Whether label_errors are worth mending by; where the model itself is often wrong, most of
        what it suspects is right (see label_errors.py)."""
        return self.baseline_accuracy is not None and self.baseline_accuracy > TRUSTED_ACCURACY

    def leaked_rows(self, split: str = "test") -> tuple[int, ...]:
        """Source rows of a given split's documents that stand in earlier splits too."""
        leaks = self.copies.leaks.get(split)
        return leaks.exact_rows if leaks else ()

    def dependent_rows(self, split: str = "test") -> tuple[int, ...]:
        """Those, and rows whose group is in an earlier split."""
        return tuple(sorted({*self.leaked_rows(split), *self.crossing.get(split, ())}))

    def to_json(self) -> str:
        """The content of audit.json."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def write(self, path: Path) -> None:
        """Writes audit.json."""
        path.write_text(self.to_json(), encoding="utf-8")


def audit(corpus: Corpus, max_rows: int, reading: Reading | None = None) -> Audit:
    """Looks at all documents, and for the costly checks at ``max_rows`` (data.audit_rows)."""
    documents = Documents(corpus)
    sample = documents.sample(max_rows)
    texts = documents.texts(sample)
    language, foreign = other_languages(texts)
    suspects, accuracy = _label_errors(documents, sample, corpus.task)
    return Audit(
        name=corpus.name,
        task=corpus.task,
        sources=dict(corpus.sources),
        rows_read={account.source: account.rows for account in corpus.ledger},
        ledger=corpus.ledger,
        documents={name: len(split) for name, split in corpus.splits().items()},
        sampled=len(sample),
        dropped=dict(corpus.dropped),
        notes=corpus.notes,
        labels=_label_counts(corpus),
        alike_labels=look_alike(corpus.labels),
        missing_labels=may_mean_missing(corpus.labels),
        copies=find_copies(documents, corpus.given, sample),
        crossing=dict(corpus.crossing),
        tokens=token_lengths(texts, reading) if reading else None,
        wrong_encoding=documents.found(sample[wrong_encoding(texts)]),
        language=language,
        other_language=documents.found(
            sample[list(foreign)], [{"language": told} for told in foreign.values()]
        ),
        label_errors=suspects,
        baseline_accuracy=accuracy,
    )


def refuse_leaks(audit: Audit, max_leak_share: float) -> None:
    """Raises DataError when too much of a given test split depends on the other splits.

    The accepted fraction is rounded up to whole documents: one copy alone, which is over 1 % of a
    small file, stops no run, whose metrics are told without it too.
    """
    documents = audit.documents["test"]
    accepted = round(max_leak_share * documents, 6)  # 0.07 · 100 is no 7 in binary
    for rows, what, remedy in (
        (audit.leaked_rows(), "stand in train or val too", "Take them out of one side, leave"),
        (
            audit.crossing.get("test", ()),
            "have a group (data.group_column) that train or val has too",
            "Keep each group on one side, leave",
        ),
    ):
        if len(rows) > ceil(accepted):
            named = ", ".join(map(str, rows[:10]))
            raise DataError(
                f"{len(rows)} of {documents} test documents ({len(rows) / documents:.1%}) {what}, "
                f"so figures on them would flatter: rows {named}{', …' if len(rows) > 10 else ''}. "
                f"data.max_leak_share={max_leak_share} is accepted. {remedy} data.test (or "
                "data.split_column) out to have a test split made without leaks, or raise "
                "data.max_leak_share."
            )


def _label_counts(corpus: Corpus) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for name, split in corpus.splits().items():
        pairs = label_pairs(split)
        found = dict(zip(pairs.names, pairs.counts().tolist(), strict=True))
        counts[name] = {label: found.get(label, 0) for label in corpus.labels}
    return counts


def _label_errors(documents: Documents, sample: Ints, task: Task) -> tuple[Found, float | None]:
    chosen = documents.dataset.select(sample)
    errors = suspected_label_errors(chosen, exact_clusters(chosen["text"][:]), task)
    positions = sample[np.array([s.position for s in errors.suspects], dtype=np.int64)]
    details: list[dict[str, object]] = [
        {"label": list(s.given), "suggested": list(s.suggested)}
        for s in errors.suspects[:MAX_NAMED]
    ]
    return documents.found(positions, details), errors.accuracy
