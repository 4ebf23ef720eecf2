"""Settings to corpus: opens the source, drops what is bad, splits, checks.

Only the order of the steps is here; each step stands in a file of its own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from datasets import Dataset

from docsort.core.errors import DataError
from docsort.core.probabilities import Task
from docsort.data.bad_rows import without_bad_rows
from docsort.data.corpus import COLUMNS, Corpus
from docsort.data.labels import LabelPairs, label_pairs
from docsort.data.naming import counted_names
from docsort.data.partition import partition
from docsort.data.rows import Columns, Rows
from docsort.data.settings import SPLITS, DataSettings
from docsort.data.sources import open_sources
from docsort.data.splits import few_per_label
from docsort.data.tables import read_table


def load_corpus(settings: DataSettings, seed: int) -> Corpus:
    """Reads, cleans and splits; the same settings and seed give the same splits.

    Raises DataError.
    """
    sources = open_sources(settings)
    dropped: Counter[str] = Counter()
    notes: list[str] = []
    splits: dict[str, Dataset] = {}
    for name, rows in sources.items():
        cleaned = without_bad_rows(rows, settings.bad_rows)
        splits[name] = cleaned.dataset
        notes += [*rows.notes, *_skipped(rows), *cleaned.notes]
        dropped.update({f"{name}: {why}": count for why, count in cleaned.dropped.items()})
    task = _one_task(sources)
    parts = partition(splits, settings, seed)
    splits = dict(parts.splits)
    for name, counts in parts.left_out.items():
        dropped.update({f"{name}: rare label: {label}": count for label, count in counts.items()})
    if settings.train_per_label is not None:
        few = few_per_label(label_pairs(splits["train"]), settings.train_per_label, seed)
        splits["train"] = splits["train"].select(few)
    labels = _labels(splits)
    return Corpus(
        **{name: splits[name].select_columns(list(COLUMNS)) for name in SPLITS},
        labels=labels,
        task=task,
        name=settings.name,
        sources={f"{name}:{rows.source}": rows.sha256 for name, rows in sources.items()},
        rows_read={f"{name}:{rows.source}": len(rows.dataset) for name, rows in sources.items()},
        dropped=dict(dropped),
        notes=(*notes, *parts.notes),
        given=parts.given,
    )


@dataclass(frozen=True)
class Labelled:
    """Rows to evaluate on, bad rows dropped by reason, and sentences that name them."""

    rows: Rows
    dropped: dict[str, int]
    notes: tuple[str, ...]


def load_labelled(path: str, settings: DataSettings, task: Task) -> Labelled:
    """One labelled file for evaluation, without its bad rows; nothing is split.

    Raises DataError: not a table, or its labels are not of the model's ``task``.
    """
    rows = read_table(
        path, Columns(settings.text_columns, settings.label_columns), settings.label_separator
    )
    if rows.task != task:
        raise DataError(_other_task(rows, task))
    cleaned = without_bad_rows(rows, settings.bad_rows)
    kept = replace(rows, dataset=cleaned.dataset)
    return Labelled(kept, cleaned.dropped, (*rows.notes, *_skipped(rows), *cleaned.notes))


def _skipped(rows: Rows) -> Iterator[str]:
    for reason, count in rows.skipped.items():
        yield f"{rows.source}: {count:,} records are no rows ({reason})."


def _other_task(rows: Rows, task: Task) -> str:
    if task == "single_label":
        return (
            f"{rows.source} has lists of labels, but the model gives one label a document "
            "(single_label). Write one label in each row, or leave data.label_separator out."
        )
    return (
        f"{rows.source} has one label a document, but the model gives several (multi_label). "
        "Name what stands between them, as in \"data.label_separator=';'\", or write lists (jsonl)."
    )


def _one_task(sources: Mapping[str, Rows]) -> Task:
    tasks = {name: rows.task for name, rows in sources.items()}
    if len(set(tasks.values())) > 1:
        told = ", ".join(f"{name} is {task}" for name, task in tasks.items())
        raise DataError(f"The files' labels differ in kind: {told}. Write all as lists, or none.")
    return next(iter(tasks.values()))


def _labels(splits: Mapping[str, Dataset]) -> tuple[str, ...]:
    """The labels of train, sorted. Raises DataError for one that only val or test has."""
    known = label_pairs(splits["train"]).names
    for name in ("val", "test"):
        pairs = label_pairs(splits[name])
        unseen = sorted(set(pairs.names) - set(known))
        if unseen:
            raise DataError(_unseen(name, unseen, pairs))
    return known


def _unseen(name: str, unseen: list[str], pairs: LabelPairs) -> str:
    count_of = dict(zip(pairs.names, pairs.counts().tolist(), strict=True))
    told = counted_names({label: count_of[label] for label in unseen}, "rows")
    return (
        f"The {name} split has {len(unseen)} labels that training never saw: {told}. "
        "Mend their spelling, leave those rows out, or add training documents with these labels."
    )
