"""Rows of one source, whatever it is: their columns, their types, and how they come to disk.

Knows nothing of file formats and of splits. Empty texts and labels come through as such.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from docsort.core.errors import DataError
from docsort.core.probabilities import Task
from docsort.data.naming import named
from docsort.data.store import stored

BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Columns:
    """The names, in the source, of the columns to read."""

    text: str
    label: str
    split: str | None = None
    group: str | None = None
    time: str | None = None

    def wanted(self) -> dict[str, str]:
        """Our name for each column → its name in the source."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {ours: theirs for ours, theirs in named.items() if theirs is not None}

    def check(self, source: str, present: list[str]) -> None:
        """Every wanted column is there, once. Raises DataError."""
        for ours, theirs in self.wanted().items():
            if present.count(theirs) == 1:
                continue
            what = "no" if theirs not in present else "more than one"
            raise DataError(
                f"{source} has {what} column {theirs!r} (data.{ours}_column={theirs}). "
                f"It has: {named(present)}. Name one of them: data.{ours}_column=NAME."
            )


@dataclass(frozen=True)
class Rows:
    """Rows as they stand in one source. Raises DataError when there are none.

    Columns: ``row`` (int64), ``text`` (string, "" when missing), ``label`` (string, "" when
    missing; for multi_label a list of strings, null when missing), and, when asked for,
    ``split``, ``group`` and ``time`` (strings, "" when missing).
    """

    dataset: Dataset
    source: str
    sha256: str

    def __post_init__(self) -> None:
        if len(self.dataset) == 0:
            raise DataError(f"{self.source} is empty: it has no rows.")

    @property
    def task(self) -> Task:
        """multi_label when labels are lists."""
        is_list = pa.types.is_list(self.dataset.data.schema.field("label").type)
        return "multi_label" if is_list else "single_label"


def rows_from(
    source: str, schema: pa.Schema, read: Callable[[], Iterable[pa.Table]], separator: str | None
) -> Rows:
    """Rows of a source that is no single file; their SHA-256 is over texts and labels.

    ``read`` gives tables with our columns, and is called a second time when they are not yet on
    disk.
    """
    digest = hashlib.sha256()
    for table in conformed(read(), schema, separator):
        for text, label in zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True):
            digest.update(f"{len(text)}:{text}{label!r}".encode())
    others = [name for name in schema.names if name not in ("row", "text", "label")]
    key = ("content", source, digest.hexdigest(), *others)
    dataset = stored(key, schema, conformed(read(), schema, separator))
    return Rows(dataset, source, digest.hexdigest())


def row_schema(columns: Iterable[str], multi_label: bool) -> pa.Schema:
    """The types that `Rows` promises for our columns of these names."""
    label = pa.list_(pa.string()) if multi_label else pa.string()
    types = {"row": pa.int64(), **dict.fromkeys(columns, pa.string()), "label": label}
    return pa.schema(list(types.items()))


def conformed(
    tables: Iterable[pa.Table], schema: pa.Schema, separator: str | None = None
) -> Iterator[pa.Table]:
    """Numbers the rows and brings tables with our columns to the types that `Rows` promises."""
    first = 0
    for table in tables:
        columns = {name: table[name] for name in schema.names if name != "row"}
        columns = {name: _as_text(col, name) for name, col in columns.items() if name != "label"}
        columns["label"] = _label_column(table["label"], schema.field("label").type, separator)
        columns["row"] = pa.array(range(first, first + table.num_rows), pa.int64())
        yield pa.table([columns[name] for name in schema.names], schema=schema)
        first += table.num_rows


def is_list(type: pa.DataType) -> bool:
    """Arrow has two kinds of list; labels may come as either."""
    return bool(pa.types.is_list(type) or pa.types.is_large_list(type))


def _label_column(column: Any, type: pa.DataType, separator: str | None) -> Any:
    if not pa.types.is_list(type):
        return pc.utf8_trim_whitespace(_as_text(column, "label"))
    if separator is None or is_list(column.type):
        parts = column.to_pylist()
    else:
        joined = _as_text(column, "label").to_pylist()
        parts = [cell.split(separator) if cell.strip() else None for cell in joined]
    return pa.array([None if p is None else _distinct(p) for p in parts], type)


def _distinct(names: list[Any] | str) -> list[str]:
    """Sorted, so that one set of labels is always one list."""
    if isinstance(names, str):
        names = [names]
    return sorted({str(n).strip() for n in names if n is not None} - {""})


def _as_text(column: Any, name: str) -> Any:
    try:
        return pc.fill_null(column.cast(pa.string()), "")
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise DataError(
            f"The {name} column holds {column.type}, which is not text. "
            f"Name another column: data.{name}_column=NAME."
        ) from None
