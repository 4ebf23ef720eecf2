"""Rows of one source, whatever it is: their columns, their types, and how they come to disk.

Knows nothing of file formats and of splits. Empty texts and labels come through as such.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from docsort.core.errors import DataError
from docsort.core.probabilities import Task
from docsort.data.naming import named
from docsort.data.store import column_of, stored
from docsort.data.values import Cells, flagged

BATCH_ROWS = 10_000
EmptyLabel = Literal["missing", "none"]


@dataclass(frozen=True)
class Columns:
    """The names, in the source, of the columns to read.

    Several ``text`` columns are joined to one text. Several ``label`` columns hold 0 or 1 each, and
    their names are the labels. With ``group_optional``, the source may lack the ``group`` column.
    ``empty_label`` says what a missing label means where a document may have several: that it is
    "missing", or that there are "none".
    """

    text: tuple[str, ...]
    label: tuple[str, ...]
    split: str | None = None
    group: str | None = None
    time: str | None = None
    group_optional: bool = False
    empty_label: EmptyLabel = "missing"

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Our name for each column → its names in the source."""
        ways = {"split": self.split, "group": self.group, "time": self.time}
        return {
            "text": self.text,
            "label": self.label,
            **{ours: (theirs,) for ours, theirs in ways.items() if theirs is not None},
        }

    def names(self) -> list[str]:
        """The source's columns to read, each once: two of ours may be one of theirs."""
        return list(dict.fromkeys(name for names in self.wanted().values() for name in names))

    def found_in(self, source: str, present: list[str]) -> "Columns":
        """These columns, less an optional one that is absent.

        Raises DataError: a column is not there, or more than once.
        """
        absent = self.group_optional and self.group not in present
        found = replace(self, group=None) if absent else self
        for ours, names in found.wanted().items():
            for theirs in names:
                if present.count(theirs) == 1:
                    continue
                what = "no" if theirs not in present else "more than one"
                raise DataError(
                    f"{source} has {what} column {theirs!r} (data.{ours}_column={setting(names)}). "
                    f"It has: {named(present)}. Name one of them: data.{ours}_column=NAME."
                )
        return found


TEXT_AND_LABEL = Columns(("text",), ("label",))


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
    source: str,
    columns: Columns,
    read: Callable[[], Iterable[pa.Table]],
    *,
    listed: bool = False,
    separator: str | None = None,
) -> Rows:
    """Rows of a source that is no single file; their SHA-256 is over all columns that are read.

    Args:
        source: what the user named it by.
        columns: which of the tables' columns to read.
        read: gives the tables, and is called a second time when they are not yet on disk.
        listed: whether labels come as lists.
        separator: what stands between the labels in one cell.
    """
    schema = row_schema(columns, listed, separator)
    ways = [name for name in schema.names if name not in ("row", "text", "label")]
    digest = hashlib.sha256()
    for table in conformed(read(), columns, schema, separator, source):
        values = (table[name].to_pylist() for name in ("text", "label", *ways))
        for text, label, *others in zip(*values, strict=True):
            digest.update(f"{len(text)}:{text}{label!r}{others or ''}".encode())
    key = ("content", source, digest.hexdigest(), *ways)
    dataset = stored(key, schema, conformed(read(), columns, schema, separator, source))
    notes = separator_notes(dataset, source, separator)
    return Rows(dataset, source, digest.hexdigest(), notes=notes)


def row_schema(columns: Columns, listed: bool, separator: str | None) -> pa.Schema:
    """The types that `Rows` promises. ``listed``: labels come as lists."""
    several = listed or separator is not None or len(columns.label) > 1
    label = pa.list_(pa.string()) if several else pa.string()
    types = {"row": pa.int64(), **dict.fromkeys(columns.wanted(), pa.string()), "label": label}
    return pa.schema(list(types.items()))


def separator_notes(dataset: Dataset, source: str, separator: str | None) -> tuple[str, ...]:
    """A sentence where no two labels are separated: the setting may be wrong."""
    labels = column_of(dataset, "label")
    if separator is None or (pc.max(pc.list_value_length(labels)).as_py() or 0) > 1:
        return ()
    return (
        f"data.label_separator={separator!r} is between labels in no cell of {source}: every "
        "document has at most one label.",
    )


def conformed(
    tables: Iterable[pa.Table],
    columns: Columns,
    schema: pa.Schema,
    separator: str | None,
    source: str,
) -> Iterator[pa.Table]:
    """Numbers the rows and brings a source's tables to the columns and types that `Rows` promises.

    Raises DataError, naming the row of ``source``, where a value can't be a text or a label.
    """
    first = 0
    for table in tables:
        ours: dict[str, Any] = {"row": pa.array(range(first, first + len(table)), pa.int64())}
        for name, theirs in columns.wanted().items():
            cells = _cells(table, theirs, f"data.{name}_column", source, first)
            if name == "label":
                ours[name] = _labels(cells, schema.field("label").type, separator, columns)
            else:
                ours[name] = _lines(cells)
        yield pa.table([ours[name] for name in schema.names], schema=schema)
        first += len(table)


def document_texts(
    table: pa.Table, columns: tuple[str, ...], setting: str, source: str, first: int
) -> list[str]:
    """The documents in a source's table, as they are learned from.

    Args:
        table: with the source's columns.
        columns: those that make up a document.
        setting: the setting that chose them, as an error names it.
        source: the file, as an error names it.
        first: row of the table's first row, 0-based in the source.

    Raises:
        DataError: a value can't be a text.
    """
    texts: list[str] = _lines(_cells(table, columns, setting, source, first)).to_pylist()
    return texts


def _cells(
    table: pa.Table, columns: tuple[str, ...], setting: str, source: str, first: int
) -> list[Cells]:
    return [
        Cells(
            values=table[column],
            field=table.schema.field(column),
            setting=setting,
            source=source,
            first=first,
        )
        for column in columns
    ]


def _labels(cells: list[Cells], type: pa.DataType, separator: str | None, columns: Columns) -> Any:
    if not pa.types.is_list(type):
        return cells[0].labels()
    labels = flagged(cells) if len(cells) > 1 else cells[0].label_lists(separator)
    if columns.empty_label == "none":
        labels = [listed or [] for listed in labels]
    return pa.array(labels, type)


def _lines(cells: list[Cells]) -> pa.ChunkedArray:
    """Texts of several columns as one, those that are not blank on lines of their own.

    Not by Arrow's binary_join_element_wise: pyarrow 26 leaves out rows that are all null.
    """
    columns = [each.texts() for each in cells]
    if len(columns) == 1:
        return columns[0]
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    lines = ["\n".join(part for part in row if part.strip()) for row in rows]
    return pa.chunked_array([pa.array(lines, pa.string())])
