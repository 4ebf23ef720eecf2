"""Lines of a jsonl file to Arrow columns of one type each, over the whole file, and back.

A field that holds one kind of value (or null) is a column of that kind. One that holds objects,
mixed lists or more than one kind travels as JSON text, marked so, and is written back into jsonl
as it was. Knows nothing of documents; no error quotes what a file holds.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from docsort.core.errors import DataError
from docsort.data.fingerprints import open_plain

_AS_JSON = {b"docsort": b"json"}
_TYPES = {
    "null": pa.null(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "integer": pa.int64(),
    "long": pa.int64(),
    "number": pa.float64(),
    "texts": pa.list_(pa.string()),
}


def json_rows(path: Path) -> Iterator[dict[str, Any]]:
    """One object a line; blank lines are passed over. Raises DataError naming the 1-based line."""
    with open_plain(path) as raw:
        for number, line in enumerate(raw, start=1):
            if line.strip():
                yield _row(line, f"{path}: line {number}")


def json_schema(path: Path) -> pa.Schema:
    """Every field that any line has, in the order of first sight, with the type that holds all."""
    kinds: dict[str, set[str]] = {}
    for row in json_rows(path):
        for name, value in row.items():
            kinds.setdefault(name, set()).add(_kind(value))
    return pa.schema([_field(name, seen) for name, seen in kinds.items()])


def json_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """The rows under ``json_schema``'s schema of their file; a field that a row lacks is null."""
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if is_json(field):
            values = [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def is_json(field: pa.Field) -> bool:
    """Whether the column's texts are JSON that ``json_table`` wrote."""
    return bool(field.metadata == _AS_JSON)


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
        if b"\\ud" in line.lower():  # an escape may be half a character, which UTF-8 can't hold
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where} holds half a character (a lone surrogate, \\ud800 to \\udfff), which UTF-8 "
            "has no bytes for; write it anew with whole characters"
        ) from None
    except (ValueError, RecursionError):
        raise DataError(f"{where} is not JSON; jsonl holds one JSON object a line") from None
    if not isinstance(row, dict):
        raise DataError(f"{where} is not a JSON object; jsonl holds one JSON object a line")
    return row


def _kind(value: object) -> str:
    if isinstance(value, bool):  # before int, which a bool is too
        return "bool"
    if isinstance(value, int):
        # beyond 53 bits a double is not exact, beyond 63 there is no Arrow integer
        return "integer" if abs(value) <= 1 << 53 else "long" if abs(value) < 1 << 63 else "json"
    if isinstance(value, list):
        return "texts" if all(isinstance(item, str) for item in value) else "json"
    return {type(None): "null", str: "text", float: "number"}.get(type(value), "json")


def _field(name: str, kinds: set[str]) -> pa.Field:
    kinds = kinds - {"null"} or {"null"}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    elif kinds == {"integer", "long"}:
        kinds = {"long"}
    kind = kinds.pop() if len(kinds) == 1 else "json"
    if kind in _TYPES:
        return pa.field(name, _TYPES[kind])
    return pa.field(name, pa.string(), metadata=_AS_JSON)
