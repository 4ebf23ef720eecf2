"""Bytes of a table file to Arrow tables in batches: csv, tsv, jsonl and parquet, also gzipped.

Knows nothing of documents and labels. No error quotes what a file holds.
"""

import csv
import io
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from docsort.core.errors import DataError
from docsort.data.fingerprints import open_plain
from docsort.data.naming import shortened
from docsort.data.rows import BATCH_ROWS, is_list

# One row must fit into a block; 16 MiB is some 3,000 pages of text.
BLOCK_BYTES = 16 << 20
# jsonl has no header; these records tell its columns.
FIRST_RECORDS = 1_000
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


def present_columns(file: Path, kind: str) -> tuple[list[str], set[str]]:
    """All columns' names, and those that hold lists. Raises DataError for an empty file."""
    if kind in DELIMITERS:
        return _csv_header(file, DELIMITERS[kind]), set()
    if kind == ".jsonl":
        return _json_columns(file)
    with _parquet(file) as parquet:
        schema = parquet.schema_arrow
        return list(schema.names), {field.name for field in schema if is_list(field.type)}


def batches(file: Path, kind: str, names: list[str]) -> Iterator[pa.Table]:
    """Tables with the columns of these names, in the file's order and its own types."""
    if kind in DELIMITERS:
        return _csv_batches(file, DELIMITERS[kind], names)
    if kind == ".jsonl":
        return _jsonl_batches(file, names)
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


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    with open_plain(file) as raw:
        for number, line in enumerate(raw, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except json.JSONDecodeError as error:
                raise DataError(f"{file}: line {number} is not JSON ({error.msg}).") from None
            except (ValueError, RecursionError):
                raise DataError(
                    f"{file}: line {number} can't be read: it nests too deeply, or holds a number "
                    "of thousands of digits."
                ) from None
            if not isinstance(record, dict):
                raise DataError(f"{file}: line {number} is not a JSON object.")
            yield record


def _json_columns(file: Path) -> tuple[list[str], set[str]]:
    records = list(itertools.islice(_json_lines(file), FIRST_RECORDS))
    if not records:
        raise DataError(f"{file} is empty: it has no lines.")
    names = dict.fromkeys(name for record in records for name in record)
    lists = {name for name in names if any(isinstance(r.get(name), list) for r in records)}
    return list(names), lists


def _jsonl_batches(file: Path, names: list[str]) -> Iterator[pa.Table]:
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for row, record in enumerate(_json_lines(file)):
        for name, values in columns.items():
            values.append(_json_value(record.get(name), file, row, name))
        if (row + 1) % BATCH_ROWS == 0:
            yield _json_table(columns, file)
            columns = {name: [] for name in names}
    if any(columns.values()):
        yield _json_table(columns, file)


def _json_value(value: object, file: Path, row: int, name: str) -> str | list[str | None] | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(v, str | int | float | None) for v in value):
        return [None if item is None else str(item) for item in value]
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise DataError(f"{file}: row {row} has neither text, a number nor a list of them in {name!r}.")


def _json_table(columns: dict[str, list[Any]], file: Path) -> pa.Table:
    try:
        return pa.table({name: _json_array(values) for name, values in columns.items()})
    except UnicodeEncodeError:
        raise DataError(
            f"{file} holds half a character (a lone surrogate, \\ud800 to \\udfff), which UTF-8 "
            "has no bytes for. Write the file anew with whole characters."
        ) from None


def _json_array(values: list[Any]) -> pa.Array:
    """Among lists, a value by itself is a list of one; Arrow would make its letters the items."""
    if not any(isinstance(value, list) for value in values):
        return pa.array(values, pa.string())
    listed = [[value] if isinstance(value, str) else value for value in values]
    return pa.array(listed, pa.list_(pa.string()))


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
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            raise DataError(
                f"{file}: column {shortened(field.name)} holds what is no "
                f"{str(field.type)[:40]} in the rows {first} to {first + len(batch) - 1}, 0 being "
                "the first; texts must be UTF-8."
            ) from None
