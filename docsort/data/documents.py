"""A corpus's splits seen as one row of documents, for checks that cross them. Checks nothing.

Shapes: D documents of all splits, train first, then val, then test.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, concatenate_datasets

from docsort.data.corpus import Corpus
from docsort.data.labels import Ints
from docsort.data.store import column_of, row_numbers
from docsort.data.words import num_searched

MAX_NAMED = 100  # places listed in a finding; the rest are counted


@dataclass(frozen=True)
class Found:
    """Documents that a check found: how many, and where the first ``MAX_NAMED`` of them stand.

    A place has "split" and "row" (of its source), and what the check adds. Never any text.
    """

    count: int
    places: tuple[dict[str, object], ...]


class Documents:
    """All splits of a corpus, end to end."""

    def __init__(self, corpus: Corpus) -> None:
        splits = corpus.splits()
        self.dataset: Dataset = concatenate_datasets(list(splits.values()))
        self.names = tuple(splits)
        sizes = [len(split) for split in splits.values()]
        self.split_D: Ints = np.repeat(np.arange(len(sizes)), sizes)
        self.row_D = row_numbers(self.dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    @cached_property
    def label_key_D(self) -> Ints:
        """(D,) equal numbers for equal labels, or equal sets of labels."""
        column = column_of(self.dataset, "label").combine_chunks()
        if pa.types.is_list(column.type):
            column = pc.binary_join(column, "\x1f")
        keys: Ints = column.dictionary_encode().indices.to_numpy().astype(np.int64)
        return keys

    def where(self, name: str) -> npt.NDArray[np.bool_]:
        """(D,) which documents are in the split of this name."""
        inside: npt.NDArray[np.bool_] = self.split_D == self.names.index(name)
        return inside

    def texts(self, positions: Ints) -> list[str]:
        """The texts at these positions."""
        texts: list[str] = self.dataset.select(positions)["text"][:]
        return texts

    def text_at(self, split: str, row: int) -> str:
        """The text of a place."""
        at = np.flatnonzero(self.where(split) & (self.row_D == row))[0]
        text: str = self.dataset[int(at)]["text"]
        return text

    def sample(self, size: int) -> Ints:
        """Ascending positions of at most ``size`` documents, fewer where these are very long.

        Always the same ones.
        """
        size = num_searched(self.dataset, size)
        if len(self) <= size:
            return np.arange(len(self))
        return np.sort(np.random.default_rng(0).choice(len(self), size=size, replace=False))

    def found(self, positions: Ints, details: Sequence[dict[str, object]] | None = None) -> Found:
        """A finding of these positions, in their order, each with its own details."""
        named = positions[:MAX_NAMED].tolist()
        added: Sequence[dict[str, object]] = details or [{}] * len(named)
        places = [
            {"split": self.names[self.split_D[at]], "row": int(self.row_D[at]), **detail}
            for at, detail in zip(named, added, strict=False)
        ]
        return Found(len(positions), tuple(places))
