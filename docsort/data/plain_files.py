"""Files of rows as they are, every column kept: csv, tsv, jsonl, parquet, each also with .gz.

Documents are read as tables.py reads those to learn from. Files are written by row_writers.py.
"""

import csv
import itertools
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from docsort.core.disk import check_readable
from docsort.core.errors import DataError
from docsort.core.hashing import file_sha256
from docsort.data.delimited import BLANK_LINE, Delimited
from docsort.data.file_formats import (
    delimited_batches,
    format_of,
    open_table,
    parquet_batches,
    parquet_schema,
)
from docsort.data.header import open_delimited
from docsort.data.json_rows import json_fields, json_tables
from docsort.data.naming import named, shortened
from docsort.data.rows import document_texts
from docsort.data.table_format import DELIMITERS, TableFormat

# Rows of jsonl that become one table.
_JSON_ROWS = 1_000


@dataclass(frozen=True, kw_only=True)
class PlainFile:
    """A file that was read once from end to end: one schema for all of its rows, and their number.

    Raises DataError when there are none.

    Attributes:
        path: the file, as the user named it.
        schema: of its rows. Names may be empty, and need not be distinct.
        num_rows: without blank lines.
        sha256: of its bytes, before they were read.
        form: how a csv or tsv is written.
        delimited: the same, with what was found of it; None for another kind.
        skipped: how many records are no rows, by reason.
    """

    path: Path
    schema: pa.Schema
    num_rows: int
    sha256: str
    form: TableFormat
    delimited: Delimited | None
    skipped: Counter[str]

    def __post_init__(self) -> None:
        if not self.num_rows:
            raise DataError(f"{self.path} holds no rows")

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user about how the file is read."""
        return self.delimited.notes if self.delimited else ()

    def check_texts(self, columns: tuple[str, ...]) -> None:
        """The columns are there, once, and hold texts in every row. Raises DataError."""
        for column in columns:
            self._check_column(column)
        if not self.delimited:  # where every cell is a text
            for _ in self.texts(columns, _JSON_ROWS):
                pass

    def _check_column(self, column: str) -> None:
        name = shortened(column)
        another = f"{self.form.text_column_setting}=NAME"
        if self.schema.names.count(column) != 1:
            what = "more than one" if column in self.schema.names else "no"
            raise DataError(
                f"{self.path} has {what} column {name}; it has: {named(self.schema.names)}. Name "
                f"one of them: {another}"
            )

    def texts(self, columns: tuple[str, ...], num_rows: int) -> Iterator[list[str]]:
        """The documents, as training reads them, in lists of ``num_rows``; the last may be shorter.

        Raises DataError.
        """
        kind = format_of(self.path)
        with _own_words(self.path, kind):
            if self.delimited:
                places = [self.schema.names.index(name) for name in columns]
                tables = delimited_batches(self.delimited, places, Counter())
            else:
                table = open_table(self.path, kind, self.form, columns)
                tables = table.read(list(columns), Counter())
            rows = itertools.chain.from_iterable(self._documents(tables, columns))
            while block := list(itertools.islice(rows, num_rows)):
                yield block

    def _documents(
        self, tables: Iterator[pa.Table], columns: tuple[str, ...]
    ) -> Iterator[list[str]]:
        setting, first = self.form.text_column_setting, 0
        for table in tables:
            yield document_texts(table, columns, setting, str(self.path), first)
            first += len(table)

    def is_unchanged(self) -> bool:
        """Whether the file still has the bytes that were read at first."""
        return self.path.is_file() and file_sha256(self.path) == self.sha256

    def chunks(self, num_rows: int) -> Iterator[pa.Table]:
        """Tables of exactly ``num_rows`` rows (the last may be shorter), all of the one schema.

        Raises DataError where the file can no longer be read so.
        """
        held = self.schema.empty_table()
        for table in _tables(self.path, self.schema, self.delimited, Counter()):
            if table.schema != self.schema:
                raise DataError(f"{self.path} has other columns than before; it was changed")
            held = pa.concat_tables([held, table])
            while len(held) >= num_rows:
                yield held.slice(0, num_rows)
                held = held.slice(num_rows)
        if len(held):
            yield held


def read_plain(
    path: Path, form: TableFormat | None = None, text_columns: tuple[str, ...] = ("text",)
) -> PlainFile:
    """Read the whole file once, holding little of it.

    Args:
        path: the file.
        form: how a csv or tsv is written.
        text_columns: those with the documents.

    Raises:
        DataError: whatever is wrong with the file, or its columns.
    """
    form = form or TableFormat()
    kind = format_of(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    check_readable(path)
    skipped: Counter[str] = Counter()
    with _own_words(path, kind):
        sha256 = file_sha256(path)
        delimited = open_delimited(path, kind, form, text_columns) if kind in DELIMITERS else None
        schema = _schema(path, kind, delimited, skipped)
        num_rows = sum(len(table) for table in _tables(path, schema, delimited, skipped))
    if delimited and form.quoting == "auto":  # and is not looked for again
        delimited = replace(delimited, form=replace(form, quoting="standard"))
    return PlainFile(
        path=path,
        schema=schema,
        num_rows=num_rows,
        sha256=sha256,
        form=form,
        delimited=delimited,
        skipped=skipped,
    )


def _schema(path: Path, kind: str, delimited: Delimited | None, skipped: Counter[str]) -> pa.Schema:
    """Cells of csv stay the strings that they are, so that they are written back unchanged."""
    if delimited:
        return pa.schema([(name, pa.string()) for name in delimited.names])
    if kind == ".jsonl":
        fields = json_fields(path)
        skipped.update({BLANK_LINE: fields.blank_lines} if fields.blank_lines else {})
        return fields.schema
    first = next(parquet_batches(path), None)
    return parquet_schema(path) if first is None else first.schema


def _tables(
    path: Path, schema: pa.Schema, delimited: Delimited | None, skipped: Counter[str]
) -> Iterator[pa.Table]:
    """The file's rows under its schema, in tables of whatever length."""
    kind = format_of(path)
    with _own_words(path, kind):
        if delimited:
            yield from delimited_batches(delimited, range(len(schema.names)), skipped)
        elif kind == ".parquet":
            yield from parquet_batches(path)
        else:
            yield from json_tables(path, schema, _JSON_ROWS)


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
