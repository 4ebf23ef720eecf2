"""Arrow tables, one after another, into a file: csv, tsv, jsonl and parquet, each also with .gz.

Knows nothing about what the columns mean. Files are read by plain_files.py.
"""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from docsort.core.errors import DataError
from docsort.data.file_formats import format_of
from docsort.data.json_rows import is_json
from docsort.data.naming import named
from docsort.data.table_format import DELIMITERS
from docsort.data.values import joined

Write = Callable[[pa.Table], None]


def row_writer(path: Path, separator: str = ";") -> Callable[[Path], AbstractContextManager[Write]]:
    """How to write rows in the kind that ``path`` ends in; all tables must have one schema.

    ``separator`` is written between the texts of a list in one cell of csv or tsv. Raises DataError
    for another ending.
    """
    kind = format_of(path)

    @contextmanager
    def writing(target: Path) -> Iterator[Write]:
        with _opened(target, path.suffix.lower() == ".gz") as stream:
            if kind == ".parquet":
                with _parquet(stream) as write:
                    yield write
                return
            with io.TextIOWrapper(stream, "utf-8", newline="") as text:
                yield _jsonl(text) if kind == ".jsonl" else _csv(text, DELIMITERS[kind], separator)

    return writing


def check_names(path: Path, names: list[str]) -> None:
    """The file can have columns of these names. Raises DataError."""
    if format_of(path) == ".jsonl" and len(set(names)) < len(names):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise DataError(
            f"{path} can't be written: in jsonl, columns have different names, but the input has "
            f"several of one name: {named(twice)}. Let the output's name end in .csv, .tsv or "
            ".parquet."
        )


@contextmanager
def _opened(target: Path, packed: bool) -> Iterator[IO[bytes]]:
    # No name and no time in the gzip header: the same rows are the same bytes.
    with target.open("wb") as raw:
        unpacked = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if packed else nullcontext(raw)
        with unpacked as stream:
            yield cast(IO[bytes], stream)


@contextmanager
def _parquet(stream: IO[bytes]) -> Iterator[Write]:
    writer: pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        writer = writer or pq.ParquetWriter(stream, table.schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer:
            writer.close()


def _jsonl(text: IO[str]) -> Write:
    def write(table: pa.Table) -> None:
        were_json = [field.name for field in table.schema if is_json(field)]
        for row in table.to_pylist():
            row |= {name: json.loads(row[name]) for name in were_json if row[name] is not None}
            text.write(_json(row) + "\n")

    return write


def _csv(text: IO[str], delimiter: str, separator: str) -> Write:
    writer = csv.writer(text, delimiter=delimiter)
    begun = False

    def write(table: pa.Table) -> None:
        nonlocal begun
        if not begun:
            writer.writerow(table.column_names)
            begun = True
        # not by rows: there, one of two columns of one name would be lost
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            writer.writerow([_cell(value, separator) for value in row])

    return write


def _cell(value: Any, separator: str) -> Any:
    """Texts of a list are joined where they can be split again; what else is nested is JSON."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        cell = joined(value, separator)
        return _json(value) if cell is None else cell
    return _json(value) if isinstance(value, list | dict) else value


def _json(value: Any) -> str:
    """Values that JSON has no kind for (times, bytes, decimals) are written as Python's text."""
    return json.dumps(value, ensure_ascii=False, default=str)
