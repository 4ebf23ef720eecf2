"""Which document carries which label, as numbers. Single- and multi-label alike; sees no text."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from docsort.data.store import column_of

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelPairs:
    """Pairs of a document's position and one of its labels, P in all, documents ascending.

    ``document_P`` holds positions in the Dataset, ``code_P`` indices into ``names`` (sorted).
    """

    document_P: Ints
    code_P: Ints
    names: tuple[str, ...]
    num_documents: int

    def counts(self) -> Ints:
        """Documents per label, in the order of ``names``."""
        return np.bincount(self.code_P, minlength=len(self.names)).astype(np.int64)

    def having(self, names: Collection[str]) -> Ints:
        """Ascending positions of the documents with one of these labels."""
        wanted_C = np.array([name in names for name in self.names], dtype=bool)
        return np.unique(self.document_P[wanted_C[self.code_P]])

    def rarest(self) -> Ints:
        """(D,) the code of each document's rarest label, ``len(names)`` for one without labels."""
        rank_C = np.empty(len(self.names) + 1, dtype=np.int64)
        order_C = np.argsort(self.counts(), kind="stable")
        rank_C[order_C] = np.arange(len(order_C))
        best_D = np.full(self.num_documents, len(order_C), dtype=np.int64)
        np.minimum.at(best_D, self.document_P, rank_C[self.code_P])
        return np.append(order_C, len(order_C))[best_D]


def label_pairs(dataset: Dataset) -> LabelPairs:
    """Reads the column ``label``: strings, or lists of strings."""
    column = column_of(dataset, "label").combine_chunks()
    if pa.types.is_list(column.type):
        document_P = pc.list_parent_indices(column).to_numpy().astype(np.int64)
        values = pc.list_flatten(column)
    else:
        document_P = np.arange(len(column), dtype=np.int64)
        values = column
    names = tuple(sorted(pc.unique(values).to_pylist()))
    code_P = pc.index_in(values, pa.array(names, pa.string())).to_numpy().astype(np.int64)
    return LabelPairs(document_P, code_P, names, len(column))


def without_labels(dataset: Dataset, gone: Collection[str]) -> tuple[Dataset, dict[str, int]]:
    """The documents that have none of the labels ``gone``, and how many went for each label.

    A document with several of them counts for the first.
    """
    pairs = label_pairs(dataset)
    bad_C = np.array([name in gone for name in pairs.names], dtype=bool)
    bad_P = bad_C[pairs.code_P]
    out, first = np.unique(pairs.document_P[bad_P], return_index=True)
    counts = Counter(pairs.names[code] for code in pairs.code_P[bad_P][first].tolist())
    return dataset.select(np.setdiff1d(np.arange(len(dataset)), out)), dict(counts)
