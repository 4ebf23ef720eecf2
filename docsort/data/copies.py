"""Copies in a corpus: inside a split, across given splits (leaks), and under different labels.

Finds copies with duplicates.py and only counts them. Exact copies (white space and case folded) are
looked for everywhere, near-duplicates among ``sample``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from docsort.data.documents import MAX_NAMED, Documents, Found
from docsort.data.duplicates import duplicate_clusters, duplicates_across, exact_clusters
from docsort.data.labels import Ints
from docsort.data.rows import BATCH_ROWS


@dataclass(frozen=True)
class Leaks:
    """Documents of a given split that stand in what the model learns from or is chosen by.

    ``exact_rows`` are their rows in the source, all of them; ``share`` is theirs of the split.
    ``near`` are near-duplicates that are no exact copies (of ``near_looked_at`` documents).
    """

    exact_rows: tuple[int, ...]
    share: float
    near: Found
    near_looked_at: int


@dataclass(frozen=True)
class Copies:
    """Superfluous copies a split, leaks a given split, and equal texts with different labels."""

    exact: dict[str, int]
    near: dict[str, int]
    leaks: dict[str, Leaks]
    conflicts: Found


def find_copies(documents: Documents, given: frozenset[str], sample: Ints) -> Copies:
    """``near`` counts near-duplicates among the sample, exact ones included."""
    cluster_D = exact_clusters(_texts(documents))
    near_S = duplicate_clusters(documents.texts(sample))
    return Copies(
        exact=_superfluous(documents, cluster_D, np.arange(len(documents))),
        near=_superfluous(documents, near_S, sample),
        leaks={
            name: _leaks(documents, cluster_D, name, sample)
            for name in ("val", "test")
            if name in given
        },
        conflicts=_conflicts(documents, cluster_D),
    )


def _texts(documents: Documents) -> Iterator[str]:
    for batch in documents.dataset.select_columns(["text"]).iter(batch_size=BATCH_ROWS):
        yield from batch["text"]


def _superfluous(documents: Documents, cluster_S: Ints, positions: Ints) -> dict[str, int]:
    """Documents of each split less its clusters: what could go without losing a text."""
    split_S = documents.split_D[positions]
    return {
        name: int((split_S == s).sum() - len(np.unique(cluster_S[split_S == s])))
        for s, name in enumerate(documents.names)
    }


def _leaks(documents: Documents, cluster_D: Ints, name: str, sample: Ints) -> Leaks:
    """A test document may stand in neither train nor val, a val document not in train."""
    here_D = documents.where(name)
    before_D = documents.split_D < documents.names.index(name)
    exact_D = here_D & np.isin(cluster_D, cluster_D[before_D])
    left, right = sample[before_D[sample]], sample[here_D[sample]]
    pairs = duplicates_across(documents.texts(left), documents.texts(right))
    new = ~exact_D[right[pairs.right]]
    partners = left[pairs.left[new]]
    details: list[dict[str, object]] = [
        {
            "like_split": documents.names[documents.split_D[at]],
            "like_row": int(documents.row_D[at]),
            "similarity": round(float(similarity), 3),
        }
        for at, similarity in zip(partners, pairs.similarity[new], strict=True)
    ]
    return Leaks(
        exact_rows=tuple(documents.row_D[exact_D].tolist()),
        share=float(exact_D.sum() / here_D.sum()),
        near=documents.found(right[pairs.right[new]], details),
        near_looked_at=len(right),
    )


def _conflicts(documents: Documents, cluster_D: Ints) -> Found:
    """Documents whose exact copies carry other labels, copies side by side, each with its own."""
    pairs = np.unique(np.stack([cluster_D, documents.label_key_D]), axis=1)[0]
    labels_K = np.bincount(pairs, minlength=int(cluster_D.max()) + 1)
    positions = np.flatnonzero(labels_K[cluster_D] > 1)
    positions = positions[np.argsort(cluster_D[positions], kind="stable")]
    details: list[dict[str, object]] = [
        {"label": [label] if isinstance(label, str) else label}
        for label in documents.dataset.select(positions[:MAX_NAMED])["label"]
    ]
    return documents.found(positions, details)
