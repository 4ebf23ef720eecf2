"""The value that all reading ends in: three splits of labelled documents. Reads nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from datasets import Dataset, concatenate_datasets

from docsort.core.errors import DataError
from docsort.core.probabilities import Task
from docsort.data.ledger import Account
from docsort.data.naming import named

COLUMNS = ("row", "text", "label")


@dataclass(frozen=True)
class Corpus:
    """Labelled documents, split. Raises DataError when a label has nothing to learn from.

    Each split has the columns ``row`` (int64, 0-based row of its source), ``text`` (string) and
    ``label`` (string for single_label, list of strings for multi_label), memory-mapped.

    ``sources`` maps "split:file" to the SHA-256 of the file's content. ``ledger`` says what became
    of each source's records. ``dropped`` counts rows by split and reason, each once.
    ``notes`` are sentences for the user: which rows were dropped and why.
    ``given`` names the splits that came as such; the others were made here and share no
    near-duplicate with each other; above partition.MAX_NEAR_DUPLICATE_ROWS rows or
    words.MAX_NEAR_DUPLICATE_WORDS, no exact copy. Of ``with_val_in_train`` that holds for test
    alone.
    ``crossing`` has the rows of given splits whose group is in an earlier split too, where
    data.group_column is read.
    """

    train: Dataset
    val: Dataset
    test: Dataset
    labels: tuple[str, ...]
    task: Task
    name: str
    sources: Mapping[str, str]
    ledger: tuple[Account, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    crossing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if list(self.labels) != sorted(set(self.labels)):
            raise ValueError("labels must be sorted and distinct")
        for name, split in self.splits().items():
            if tuple(split.column_names) != COLUMNS:
                raise ValueError(f"{name} has columns {split.column_names}, not {COLUMNS}")
            if len(split) == 0:
                raise DataError(
                    f"The {name} split has no documents. Give more documents, or a file with "
                    f"data.{name}=FILE."
                )
        if len(self.labels) < 2:
            raise DataError(self._too_few_labels())

    def _too_few_labels(self) -> str:
        if not self.labels:
            return "No training document has a label. Is data.label_column the right column?"
        told = f"There is only one label, {named(self.labels)}; two are needed"
        if self.task == "single_label":
            return f"{told} to tell apart. Is data.label_column the right column?"
        return (
            f"{told}. Is data.label_column the right column, and data.label_separator what stands "
            "between labels? For a yes or no, give each document one of two labels instead."
        )

    def splits(self) -> dict[str, Dataset]:
        """The splits by name, in the order train, val, test."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def with_val_in_train(self) -> "Corpus":
        """All documents but the test ones are in train; val is as it was, but no longer unseen."""
        return replace(self, train=concatenate_datasets([self.train, self.val]))
