"""What became of every record of a source: an account that adds up. Reads nothing itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from docsort.data.rows import Rows


@dataclass(frozen=True, kw_only=True)
class Account:
    """The records of one source. Raises ValueError where they do not add up, which is a bug.

    Attributes:
        source: the split that it was given as, and its name: "train:train.csv".
        records: all that the source holds.
        skipped: records that are no rows, by reason ("blank line").
        rows: rows read.
        dropped: rows that became no documents, by rule ("empty text", "rare label").
        documents: documents by split.
    """

    source: str
    records: int
    skipped: Mapping[str, int]
    rows: int
    dropped: Mapping[str, int]
    documents: Mapping[str, int]

    def __post_init__(self) -> None:
        skipped, dropped = sum(self.skipped.values()), sum(self.dropped.values())
        documents = sum(self.documents.values())
        if self.records != skipped + self.rows or self.rows != dropped + documents:
            raise ValueError(
                f"{self.source}: {self.records} records, of which {skipped} are skipped, and "
                f"{self.rows} rows, of which {dropped} are dropped, do not make {documents} "
                "documents: this is a bug of docsort"
            )

    def line(self) -> str:
        """One sentence for people."""
        told = [f"{self.source}: {self.records:,} records"]
        told += [_part("no rows", self.skipped)] if self.skipped else []
        told += [_part("left out", self.dropped)] if self.dropped else []
        return ", ".join([*told, _part("documents", self.documents)])


def accounts(
    sources: Mapping[str, Rows], dropped: Mapping[str, int], documents: Mapping[str, int]
) -> tuple[Account, ...]:
    """One for each source.

    Args:
        sources: rows as read, by the split that they were given as.
        dropped: counts by "SPLIT: RULE" or "SPLIT: RULE: LABEL", as a corpus has them.
        documents: by split. Those of a split that was not given are of the source of train.
    """
    rules: dict[str, Counter[str]] = {name: Counter() for name in sources}
    for key, count in dropped.items():
        split, rule, *_ = key.split(": ")
        rules[_origin(split, sources)][rule] += count
    return tuple(
        account(
            f"{name}:{rows.source}",
            rows,
            rules[name],
            {split: n for split, n in documents.items() if _origin(split, sources) == name},
        )
        for name, rows in sources.items()
    )


def account(
    source: str, rows: Rows, dropped: Mapping[str, int], documents: Mapping[str, int]
) -> Account:
    """The account of rows as they were read, before any was dropped."""
    return Account(
        source=source,
        records=sum(rows.skipped.values()) + len(rows.dataset),
        skipped=dict(rows.skipped),
        rows=len(rows.dataset),
        dropped=dict(dropped),
        documents=dict(documents),
    )


def _origin(split: str, sources: Iterable[str]) -> str:
    return split if split in sources else "train"


def _part(what: str, counts: Mapping[str, int]) -> str:
    """ "4 left out (empty text 3, empty label 1)" """
    parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return f"{sum(counts.values()):,} {what} ({parts})"
