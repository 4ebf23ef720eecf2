"""A file of labelled documents (csv, tsv, jsonl, parquet; also .gz) to rows in a Dataset.

Reads in batches, never the whole file. Every row keeps its 0-based number in the file. Knows
nothing of splits, and drops no row: empty texts and labels come through as such.
"""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from datasets import Dataset

from docsort.core.errors import DataError
from docsort.data.corpus import Task
from docsort.data.fingerprints import check_utf8, open_plain, sha256_of
from docsort.data.store import stored

# One row must fit into a block; 16 MiB is some 3,000 pages of text.
BLOCK_BYTES = 16 << 20
BATCH_ROWS = 10_000
DELIMITERS = {".csv": ",", ".tsv": "\t"}
FORMATS = ".csv, .tsv, .jsonl, .parquet, each also with .gz"


@dataclass(frozen=True)
class Columns:
    """The names, in the file, of the columns to read."""

    text: str
    label: str
    split: str | None = None
    group: str | None = None
    time: str | None = None

    def wanted(self) -> dict[str, str]:
        """Our name for each column → its name in the file."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {ours: theirs for ours, theirs in named.items() if theirs is not None}


@dataclass(frozen=True)
class Rows:
    """Rows as they stand in one source.

    Columns: ``row`` (int64), ``text`` (string, "" when missing), ``label`` (string, "" when
    missing; for multi_label a list of strings, null when missing), and, when asked for,
    ``split``, ``group`` and ``time`` (strings).
    """

    dataset: Dataset
    source: str
    sha256: str

    @property
    def task(self) -> Task:
        """multi_label when labels are lists."""
        is_list = pa.types.is_list(self.dataset.data.schema.field("label").type)
        return "multi_label" if is_list else "single_label"


def read_table(path: str | Path, columns: Columns, separator: str | None = None) -> Rows:
    """Raises DataError: no such file, unknown format, not UTF-8, a missing column, no rows."""
    file = _existing(Path(path), path)
    kind = _format(file)
    if kind != ".parquet":
        check_utf8(file)
    wanted = columns.wanted()
    lists = _check_columns(file, kind, wanted)
    schema = row_schema(wanted, multi_label=lists or separator is not None)
    digest = sha256_of(file)
    key = ("table", kind, digest, json.dumps(wanted), separator or "")
    batches = _numbered(_batches(file, kind, wanted), schema, separator)
    dataset = stored(key, schema, batches)
    if len(dataset) == 0:
        raise DataError(f"{file} is empty: it has a header but no rows.")
    return Rows(dataset, file.name, digest)


def row_schema(columns: dict[str, str], multi_label: bool) -> pa.Schema:
    """The types that `Rows` promises."""
    label = pa.list_(pa.string()) if multi_label else pa.string()
    types = {"row": pa.int64(), **dict.fromkeys(columns, pa.string()), "label": label}
    return pa.schema(list(types.items()))


def _existing(file: Path, given: str | Path) -> Path:
    file = file.expanduser().absolute()
    if file.is_dir():
        raise DataError(f"{file} is a folder, not a file; for one folder per label: data=folder.")
    if not file.exists():
        raise DataError(
            f"There is no file {file} (looked for {given!s} in {Path.cwd()}). Check the path; "
            "relative paths start where the command runs."
        )
    return file


def _format(file: Path) -> str:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind not in (*DELIMITERS, ".jsonl", ".parquet"):
        raise DataError(f"{file} is of no known format; its name must end in one of {FORMATS}.")
    return kind


def _check_columns(file: Path, kind: str, wanted: dict[str, str]) -> bool:
    """Every wanted column is there, once. True when the file's labels are lists."""
    present, lists = _present_columns(file, kind)
    for ours, theirs in wanted.items():
        if present.count(theirs) == 1:
            continue
        there = ", ".join(present)
        what = "no" if theirs not in present else "more than one"
        raise DataError(
            f"{file} has {what} column {theirs!r} (data.{ours}_column={theirs}). "
            f"It has: {there}. Name one of them: data.{ours}_column=NAME."
        )
    return wanted["label"] in lists


def _present_columns(file: Path, kind: str) -> tuple[list[str], set[str]]:
    """All columns' names, and those that hold lists."""
    if kind in DELIMITERS:
        return _csv_header(file, DELIMITERS[kind]), set()
    if kind == ".jsonl":
        first = next(_json_lines(file), None)
        if first is None:
            raise DataError(f"{file} is empty: it has no lines.")
        return list(first), {name for name, value in first.items() if isinstance(value, list)}
    with _parquet(file) as parquet:
        schema = parquet.schema_arrow
        lists = {
            f.name for f in schema if pa.types.is_list(f.type) or pa.types.is_large_list(f.type)
        }
        return list(schema.names), lists


def _csv_header(file: Path, delimiter: str) -> list[str]:
    with open_plain(file) as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
        for header in csv.reader(text, delimiter=delimiter):
            if header:
                return header
    raise DataError(f"{file} is empty: it has no header and no rows.")


def _batches(file: Path, kind: str, wanted: dict[str, str]) -> Iterator[pa.Table]:
    """Tables with the wanted columns under our names, in the file's order and its own types."""
    if kind in DELIMITERS:
        tables = _csv_batches(file, DELIMITERS[kind], list(wanted.values()))
    elif kind == ".jsonl":
        tables = _jsonl_batches(file, list(wanted.values()))
    else:
        tables = _parquet_batches(file, list(wanted.values()))
    for table in tables:
        # By name, one by one: two of our columns may be the same column of the file.
        yield pa.table({ours: table[theirs] for ours, theirs in wanted.items()})


def _csv_batches(file: Path, delimiter: str, names: list[str]) -> Iterator[pa.Table]:
    names = list(dict.fromkeys(names))
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
            if not isinstance(record, dict):
                raise DataError(f"{file}: line {number} is not a JSON object.")
            yield record


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


def _json_value(value: object, file: Path, row: int, name: str) -> str | list[str] | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return [str(item) for item in value]
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise DataError(f"{file}: row {row} has neither text, a number nor a list in {name!r}.")


def _json_table(columns: dict[str, list[Any]], file: Path) -> pa.Table:
    try:
        return pa.table({name: _json_array(values) for name, values in columns.items()})
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise DataError(
            f"{file} mixes lists and single values in one column; write all of them as lists."
        ) from None


def _json_array(values: list[Any]) -> pa.Array:
    is_list = any(isinstance(value, list) for value in values)
    return pa.array(values, pa.list_(pa.string()) if is_list else pa.string())


@contextmanager
def _parquet(file: Path) -> Iterator[pa.parquet.ParquetFile]:
    with open_plain(file) as raw:
        try:
            parquet = pa.parquet.ParquetFile(raw)
        except pa.ArrowInvalid:
            raise DataError(f"{file} is not a whole parquet file; was it cut off?") from None
        yield parquet


def _parquet_batches(file: Path, names: list[str]) -> Iterator[pa.Table]:
    with _parquet(file) as parquet:
        for batch in parquet.iter_batches(
            batch_size=BATCH_ROWS, columns=list(dict.fromkeys(names))
        ):
            yield pa.Table.from_batches([batch])


def _numbered(
    tables: Iterator[pa.Table], schema: pa.Schema, separator: str | None
) -> Iterator[pa.Table]:
    """Adds ``row`` and brings every column to the schema's type."""
    first = 0
    for table in tables:
        last = first + table.num_rows
        yield conform(
            table.append_column("row", pa.array(range(first, last), pa.int64())), schema, separator
        )
        first = last


def conform(table: pa.Table, schema: pa.Schema, separator: str | None = None) -> pa.Table:
    """Any table with our columns → exactly ``schema``, the types that `Rows` promises."""
    columns: dict[str, Any] = {}
    for field in schema:
        column = table[field.name]
        if field.name == "label":
            columns["label"] = _label_column(column, field.type, separator)
        elif field.name == "row":
            columns["row"] = column
        else:
            columns[field.name] = pc.fill_null(_as_text(column, field.name), "")
    return pa.table(columns, schema=schema)


def _label_column(column: Any, type: pa.DataType, separator: str | None) -> Any:
    if not pa.types.is_list(type):
        return pc.utf8_trim_whitespace(pc.fill_null(_as_text(column, "label"), ""))
    if separator is None or pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        parts = column.to_pylist()
    else:
        joined = pc.fill_null(_as_text(column, "label"), "").to_pylist()
        parts = [cell.split(separator) if cell.strip() else None for cell in joined]
    return pa.array([None if p is None else _distinct(p) for p in parts], type)


def _distinct(names: list[Any] | str) -> list[str]:
    """Sorted, so that one set of labels is always one list."""
    if isinstance(names, str):
        names = [names]
    return sorted({str(n).strip() for n in names if n is not None} - {""})


def _as_text(column: Any, name: str) -> Any:
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise DataError(
            f"The {name} column holds {column.type}, which is not text. "
            f"Name another column: data.{name}_column=NAME."
        ) from None
