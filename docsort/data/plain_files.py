"""Files of rows as they are, chunk by chunk: csv, tsv, jsonl and parquet, every column kept.

Knows nothing about labels; labelled tables, with their checks, are read by tables.py.
"""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from docsort.core.errors import DataError

KINDS = (".csv", ".tsv", ".jsonl", ".parquet")
Write = Callable[[pa.Table], None]

# Python's csv refuses cells over 128 KiB by default; documents are longer than that.
csv.field_size_limit(1 << 30)


def read_chunks(path: Path, num_rows: int) -> Iterator[pa.Table]:
    """The file's rows in tables of ``num_rows`` (the last may be shorter). Raises DataError."""
    kind = _kind(path)
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        if kind == ".parquet":
            with pq.ParquetFile(path) as file:
                yield from _even(file, num_rows)
        else:
            yield from _text_chunks(path, kind, num_rows)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}); convert it first") from None
    except (pa.ArrowException, csv.Error, ValueError) as error:
        # not the library's own words: they may quote a document
        raise DataError(
            f"{path} cannot be read as {kind[1:]} ({type(error).__name__}); is it whole, and does "
            "its name end in what it is?"
        ) from None


def count_rows(path: Path, needed_column: str) -> int:
    """Rows of the file. Raises DataError where the column is missing or the file is empty."""
    total = 0
    for table in read_chunks(path, 65536):
        if needed_column not in table.column_names:
            raise DataError(
                f"{path} has no column {needed_column!r}; it has: {', '.join(table.column_names)}"
            )
        total += len(table)
    if not total:
        raise DataError(f"{path} holds no rows")
    return total


def row_writer(path: Path) -> Callable[[Path], AbstractContextManager[Write]]:
    """How to write rows in the kind that ``path`` ends in. Raises DataError for another ending."""
    kind = _kind(path)
    if kind == ".parquet":
        return _parquet_writer
    if kind == ".jsonl":
        return _jsonl_writer
    return lambda target: _csv_writer(target, "\t" if kind == ".tsv" else ",")


def _kind(path: Path) -> str:
    if path.suffix.lower() not in KINDS:
        raise DataError(f"{path}: the name must end in {', '.join(KINDS)}")
    return path.suffix.lower()


def _even(file: pq.ParquetFile, num_rows: int) -> Iterator[pa.Table]:
    """Chunks of exactly ``num_rows``, whatever the file's row groups are."""
    held = pa.table({})
    for batch in file.iter_batches(batch_size=num_rows):
        table = pa.Table.from_batches([batch])
        held = pa.concat_tables([held, table]) if len(held) else table
        while len(held) >= num_rows:
            yield held.slice(0, num_rows)
            held = held.slice(num_rows)
    if len(held):
        yield held


def _text_chunks(path: Path, kind: str, num_rows: int) -> Iterator[pa.Table]:
    """Cells of csv stay the strings that they are, so that they are written back unchanged."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        if kind == ".jsonl":
            rows: Iterator[dict[str, object]] = (
                json.loads(line) for line in stream if line.strip()
            )
        else:
            rows = csv.DictReader(stream, delimiter="\t" if kind == ".tsv" else ",", strict=True)
        held = []
        for row in rows:
            if (
                not isinstance(row, dict)
                or None in row
                or (None in row.values() and kind != ".jsonl")
            ):
                raise DataError(f"{path}: a row does not have the header's columns")
            held.append(row)
            if len(held) == num_rows:
                yield pa.Table.from_pylist(held)
                held = []
        if held:
            yield pa.Table.from_pylist(held)


@contextmanager
def _parquet_writer(target: Path) -> Iterator[Write]:
    writer: pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        writer = writer or pq.ParquetWriter(target, table.schema)
        writer.write_table(table.cast(writer.schema))

    try:
        yield write
    finally:
        if writer:
            writer.close()


@contextmanager
def _jsonl_writer(target: Path) -> Iterator[Write]:
    with target.open("w", encoding="utf-8") as stream:

        def write(table: pa.Table) -> None:
            for row in table.to_pylist():
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _csv_writer(target: Path, delimiter: str) -> Iterator[Write]:
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        header: list[str] = []

        def write(table: pa.Table) -> None:
            if not header:
                header.extend(table.column_names)
                writer.writerow(header)
            for row in table.to_pylist():
                writer.writerow(
                    ";".join(value) if isinstance(value, list) else value for value in row.values()
                )

        yield write
