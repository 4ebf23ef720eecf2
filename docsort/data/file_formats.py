"""Bytes of a table file to Arrow tables in batches: csv, tsv, jsonl and parquet, also gzipped.

Knows nothing of documents and labels. No error quotes what a file holds.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from docsort.core.errors import DataError
from docsort.data.delimited import BLANK_LINE, Delimited
from docsort.data.fingerprints import open_plain
from docsort.data.header import open_delimited
from docsort.data.json_rows import JsonFields, json_fields, json_tables
from docsort.data.naming import shortened
from docsort.data.quoting import rows_of
from docsort.data.rows import BATCH_ROWS
from docsort.data.table_format import DELIMITERS, TableFormat
from docsort.data.values import is_list

# A batch ends behind the row that brings it to so many characters.
BATCH_CHARACTERS = 16 << 20
FORMATS = ".csv, .tsv, .jsonl, .parquet, each also with .gz"


@dataclass(frozen=True, kw_only=True)
class OpenTable:
    """A file whose columns are known.

    Attributes:
        names: of all columns, in the file's order.
        lists: those that hold lists.
        notes: sentences for the user about how the file is read.
        skipped: records that are no rows, by reason, where they are known before reading.
        read: the columns of these names, in the file's own types, in batches; counts the others.
    """

    names: list[str]
    read: Callable[[list[str], Counter[str]], Iterator[pa.Table]]
    lists: frozenset[str] = frozenset()
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def format_of(file: Path) -> str:
    """The name's ending, without .gz. Raises DataError for one that can't be read."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind not in (*DELIMITERS, ".jsonl", ".parquet"):
        raise DataError(f"{file} is of no known format; its name must end in one of {FORMATS}.")
    return kind


def open_table(file: Path, kind: str, form: TableFormat, wanted: Sequence[str]) -> OpenTable:
    """Find a table's columns.

    Args:
        file: the file.
        kind: what ``format_of`` says of it.
        form: how it is written, where it is a csv or tsv.
        wanted: columns that will be read; they tell the delimiter of a csv or tsv.

    Raises:
        DataError: the file is empty, or can't be read.
    """
    if kind in DELIMITERS:
        delimited = open_delimited(file, kind, form, wanted)
        return OpenTable(
            names=list(delimited.names),
            read=lambda names, skipped: delimited_batches(
                delimited, [delimited.names.index(name) for name in names], skipped
            ),
            notes=delimited.notes,
        )
    if kind == ".jsonl":
        fields = json_fields(file)
        return OpenTable(
            names=list(fields.schema.names),
            lists=fields.lists,
            skipped={BLANK_LINE: fields.blank_lines} if fields.blank_lines else {},
            read=lambda names, skipped: _json_batches(file, fields, names),
        )
    schema = parquet_schema(file)
    return OpenTable(
        names=list(schema.names),
        lists=frozenset(each.name for each in schema if is_list(each.type)),
        read=lambda names, skipped: parquet_batches(file, names),
    )


def delimited_batches(
    file: Delimited, places: Sequence[int], skipped: Counter[str]
) -> Iterator[pa.Table]:
    """Strings of the columns at these places; ``skipped`` counts what is no row."""
    rows: list[list[str]] = []
    characters = 0
    for record in rows_of(file, skipped):
        rows.append(record.cells)
        characters += len(record.raw)
        if len(rows) == BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield _strings(file, places, rows)
            rows, characters = [], 0
    if rows:
        yield _strings(file, places, rows)


def _strings(file: Delimited, places: Sequence[int], rows: list[list[str]]) -> pa.Table:
    columns = [pa.array([cells[place] for cells in rows], pa.string()) for place in places]
    return pa.Table.from_arrays(columns, [file.names[place] for place in places])


def _json_batches(file: Path, fields: JsonFields, names: list[str]) -> Iterator[pa.Table]:
    wanted = pa.schema([fields.schema.field(name) for name in names])
    yield from json_tables(file, wanted, BATCH_ROWS)


@contextmanager
def _parquet(file: Path) -> Iterator[pa.parquet.ParquetFile]:
    with open_plain(file) as raw:
        try:
            parquet = pa.parquet.ParquetFile(raw)
        except pa.ArrowInvalid:
            raise DataError(f"{file} is not a whole parquet file; was it cut off?") from None
        yield parquet


def parquet_schema(file: Path) -> pa.Schema:
    """Raises DataError for what is no parquet."""
    with _parquet(file) as parquet:
        return parquet.schema_arrow


def parquet_batches(file: Path, names: list[str] | None = None) -> Iterator[pa.Table]:
    """The columns of these names, or all. Raises DataError for texts that are not UTF-8."""
    first = 0
    with _parquet(file) as parquet:
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=names):
            _check_values(batch, file, first)
            yield pa.Table.from_batches([batch])
            first += len(batch)


def _check_values(batch: pa.RecordBatch, file: Path, first: int) -> None:
    """Arrow takes any bytes of a parquet for texts until Python wants one."""
    for each, column in zip(batch.schema, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            raise DataError(
                f"{file}: column {shortened(each.name)} holds what is no "
                f"{str(each.type)[:40]} in the rows {first} to {first + len(batch) - 1}, 0 being "
                "the first; texts must be UTF-8."
            ) from None
