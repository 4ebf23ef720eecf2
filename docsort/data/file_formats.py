"""Bytes of a table file to Arrow tables in batches: csv, tsv, jsonl and parquet, also gzipped.

Knows nothing of documents and labels. No error quotes what a file holds.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from docsort.core.errors import DataError
from docsort.data.fingerprints import open_plain
from docsort.data.json_rows import json_fields, json_tables
from docsort.data.naming import shortened
from docsort.data.rows import BATCH_ROWS
from docsort.data.values import is_list

# One row must fit into a block; 16 MiB is some 3,000 pages of text.
BLOCK_BYTES = 16 << 20
DELIMITERS = {".csv": ",", ".tsv": "\t"}
FORMATS = ".csv, .tsv, .jsonl, .parquet, each also with .gz"


def format_of(file: Path) -> str:
    """The name's ending, without .gz. Raises DataError for one that can't be read."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind not in (*DELIMITERS, ".jsonl", ".parquet"):
        raise DataError(f"{file} is of no known format; its name must end in one of {FORMATS}.")
    return kind


@dataclass(frozen=True)
class Present:
    """All columns' names, those that hold lists, and records that are no rows, by reason."""

    names: list[str]
    lists: frozenset[str] = frozenset()
    skipped: Mapping[str, int] = field(default_factory=dict)


def present_columns(file: Path, kind: str) -> Present:
    """What a file holds. Raises DataError for an empty one."""
    if kind in DELIMITERS:
        return Present(_csv_header(file, DELIMITERS[kind]))
    if kind == ".jsonl":
        found = json_fields(file)
        skipped = {"blank line": found.blank_lines} if found.blank_lines else {}
        return Present(list(found.schema.names), found.lists, skipped)
    with _parquet(file) as parquet:
        schema = parquet.schema_arrow
        lists = frozenset(each.name for each in schema if is_list(each.type))
        return Present(list(schema.names), lists)


def batches(file: Path, kind: str, names: list[str]) -> Iterator[pa.Table]:
    """Tables with the columns of these names, in the file's order and its own types."""
    if kind in DELIMITERS:
        return _csv_batches(file, DELIMITERS[kind], names)
    if kind == ".jsonl":
        return _json_batches(file, names)
    return _parquet_batches(file, names)


def _csv_header(file: Path, delimiter: str) -> list[str]:
    with open_plain(file) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        line = 1
        try:
            for header in reader:
                if header:
                    return header
                line = reader.line_num + 1
        except csv.Error:
            raise DataError(
                f"{file}: the header in line {line} can't be read; is every opening quote closed?"
            ) from None
    raise DataError(f"{file} is empty: it has no header and no rows.")


def _csv_batches(file: Path, delimiter: str, names: list[str]) -> Iterator[pa.Table]:
    ragged: list[pa.csv.InvalidRow] = []

    def remember(row: pa.csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    try:
        with open_plain(file) as raw:
            reader = pa.csv.open_csv(
                raw,
                # One thread, because only then does pyarrow number the rows it refuses.
                read_options=pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                parse_options=pa.csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=remember
                ),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=names, column_types=dict.fromkeys(names, pa.string())
                ),
            )
            for batch in reader:
                yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        # Arrow's own message quotes the row, and a document's text must not reach a log.
        raise DataError(_csv_complaint(file, ragged, error)) from None


def _csv_complaint(file: Path, ragged: list[pa.csv.InvalidRow], error: pa.ArrowInvalid) -> str:
    if ragged:
        row = ragged[0]
        return (
            f"{file}: record {row.number} (the header is record 1) has {row.actual_columns} "
            f"columns, not {row.expected_columns}. Quote values that hold the delimiter or a "
            'line break, and write a quote inside them twice ("").'
        )
    if "straddl" in str(error):
        return f"{file}: a row is longer than {BLOCK_BYTES >> 20} MiB; is a closing quote missing?"
    return f"{file} can't be read as a table; is every opening quote closed?"


def _json_batches(file: Path, names: list[str]) -> Iterator[pa.Table]:
    schema = json_fields(file).schema
    yield from json_tables(file, pa.schema([schema.field(name) for name in names]), BATCH_ROWS)


@contextmanager
def _parquet(file: Path) -> Iterator[pa.parquet.ParquetFile]:
    with open_plain(file) as raw:
        try:
            parquet = pa.parquet.ParquetFile(raw)
        except pa.ArrowInvalid:
            raise DataError(f"{file} is not a whole parquet file; was it cut off?") from None
        yield parquet


def _parquet_batches(file: Path, names: list[str]) -> Iterator[pa.Table]:
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
