"""Rows of one source, whatever it is: their columns, their types, and how they come to disk.

Knows nothing of file formats and of splits. Empty texts and labels come through as such.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
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
    """The names, in the source, of the columns to read.

    Several ``text`` columns are joined to one text. Several ``label`` columns hold 0 or 1 each, and
    their names are the labels.
    """

    text: tuple[str, ...]
    label: tuple[str, ...]
    split: str | None = None
    group: str | None = None
    time: str | None = None

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Our name for each column → its names in the source."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            ours: theirs if isinstance(theirs, tuple) else (theirs,)
            for ours, theirs in given.items()
            if theirs is not None
        }

    def names(self) -> list[str]:
        """The source's columns to read, each once: two of ours may be one of theirs."""
        return list(dict.fromkeys(name for names in self.wanted().values() for name in names))

    def check(self, source: str, present: list[str]) -> None:
        """Every wanted column is there, once. Raises DataError."""
        for ours, names in self.wanted().items():
            for theirs in names:
                if present.count(theirs) == 1:
                    continue
                what = "no" if theirs not in present else "more than one"
                raise DataError(
                    f"{source} has {what} column {theirs!r} (data.{ours}_column={setting(names)}). "
                    f"It has: {named(present)}. Name one of them: data.{ours}_column=NAME."
                )

    def under_our_names(self, table: pa.Table) -> pa.Table:
        """A table with the source's columns as one with ours, of the source's types.

        Several text columns become one, their texts that are not blank on lines of their own.
        """
        ours = {name: table[theirs[0]] for name, theirs in self.wanted().items()}
        if len(self.text) > 1:
            ours["text"] = _lines([_as_text(table[name], "text") for name in self.text])
        return pa.table(ours)


def setting(names: tuple[str, ...]) -> str:
    """Columns as the user names them in a setting: ``title``, or ``[title,body]``."""
    return names[0] if len(names) == 1 else f"[{','.join(names)}]"


@dataclass(frozen=True)
class Rows:
    """Rows as they stand in one source. Raises DataError when there are none.

    Columns: ``row`` (int64), ``text`` (string, "" when missing), ``label`` (string, "" when
    missing; for multi_label a list of strings, null when missing), and, when asked for,
    ``split``, ``group`` and ``time`` (strings, "" when missing).

    ``skipped`` counts records of the source that are no rows, by reason ("blank line").
    ``notes`` are sentences for the user about the reading.
    """

    dataset: Dataset
    source: str
    sha256: str
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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


def _lines(columns: list[Any]) -> Any:
    """Not by Arrow's binary_join_element_wise: pyarrow 26 leaves out rows that are all null."""
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return pa.array(["\n".join(part for part in row if part.strip()) for row in rows], pa.string())


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
