"""Files of rows as they are, every column kept: csv, tsv, jsonl, parquet, each also with .gz.

Knows nothing about labels; labelled tables, with their checks, are read by tables.py. Files are
written by row_writers.py.
"""

import csv
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from docsort.core.errors import DataError
from docsort.core.hashing import file_sha256
from docsort.data.file_formats import batches, format_of, present_columns
from docsort.data.fingerprints import check_utf8
from docsort.data.json_rows import is_json, json_fields, json_tables
from docsort.data.naming import named, shortened

_TEXT_TYPES = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
# Rows of jsonl that become one table.
_JSON_ROWS = 1_000


@dataclass(frozen=True)
class PlainFile:
    """A file that was read once from end to end: one schema for all of its rows, and their number.

    Raises DataError when there are none. ``sha256``: of its bytes, before they were read.
    """

    path: Path
    schema: pa.Schema
    num_rows: int
    sha256: str

    def __post_init__(self) -> None:
        if not self.num_rows:
            raise DataError(f"{self.path} holds no rows")

    def check_text(self, column: str) -> None:
        """The column is there and holds texts. Raises DataError."""
        name = shortened(column)
        if column not in self.schema.names:
            raise DataError(
                f"{self.path} has no column {name}; it has: {named(self.schema.names)}. Name one "
                "of them: --text-column NAME"
            )
        field = self.schema.field(column)
        if is_json(field) or not _holds_text(field.type):
            what = "more than texts" if is_json(field) else str(field.type)[:40]
            raise DataError(
                f"{self.path}: column {name} holds {what}, where every value must be a text or "
                "null. Name another column: --text-column NAME"
            )

    def is_unchanged(self) -> bool:
        """Whether the file still has the bytes that were read at first."""
        return self.path.is_file() and file_sha256(self.path) == self.sha256

    def chunks(self, num_rows: int) -> Iterator[pa.Table]:
        """Tables of exactly ``num_rows`` rows (the last may be shorter), all of the one schema.

        Raises DataError where the file can no longer be read so.
        """
        held = self.schema.empty_table()
        for table in _tables(self.path, self.schema):
            if table.schema != self.schema:
                raise DataError(f"{self.path} has other columns than before; it was changed")
            held = pa.concat_tables([held, table])
            while len(held) >= num_rows:
                yield held.slice(0, num_rows)
                held = held.slice(num_rows)
        if len(held):
            yield held


def read_plain(path: Path) -> PlainFile:
    """Read the whole file once, holding little of it. Raises DataError for whatever is wrong."""
    kind = format_of(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with _own_words(path, kind):
        sha256 = file_sha256(path)
        if kind != ".parquet":
            check_utf8(path)
        schema = json_fields(path).schema if kind == ".jsonl" else _header_schema(path, kind)
    return PlainFile(path, schema, sum(len(table) for table in _tables(path, schema)), sha256)


def _holds_text(type: pa.DataType) -> bool:
    if pa.types.is_dictionary(type):
        type = type.value_type
    return pa.types.is_null(type) or any(is_text(type) for is_text in _TEXT_TYPES)


def _header_schema(path: Path, kind: str) -> pa.Schema:
    """Cells of csv stay the strings that they are, so that they are written back unchanged."""
    names = present_columns(path, kind).names
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataError(
            f"{path} has more than one column of the same name: {named(twice)}; rename all but one"
        )
    if kind == ".parquet":
        for table in batches(path, kind, names):
            return table.schema
    return pa.schema([(name, pa.string()) for name in names])


def _tables(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The file's rows under its schema, in tables of whatever length."""
    kind = format_of(path)
    with _own_words(path, kind):
        if kind == ".jsonl":
            yield from json_tables(path, schema, _JSON_ROWS)
        else:
            yield from batches(path, kind, schema.names)


@contextmanager
def _own_words(path: Path, kind: str) -> Iterator[None]:
    """What a library says of a file may quote a document; only the error's kind is passed on."""
    try:
        yield
    except (pa.ArrowException, csv.Error, zlib.error, EOFError, OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as {kind[1:]} ({type(error).__name__}); is it whole, and does "
            "its name end in what it is?"
        ) from None
