"""Lines of a jsonl file to Arrow columns of one type each, over the whole file, and back.

A field that holds one kind of value (or null) is a column of that kind. One that holds objects,
mixed lists or more than one kind travels as JSON text, marked so, and is written back into jsonl
as it was. Knows nothing of documents; no error quotes what a file holds.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from docsort.core.errors import DataError
from docsort.data.fingerprints import open_text, refuse_bytes

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


@dataclass(frozen=True)
class JsonFields:
    """The fields of a whole jsonl file.

    ``schema``: every field that any line has, in the order of first sight, with the type that holds
    all of its values. ``lists``: fields that hold a list in some line. ``blank_lines`` are no rows.
    """

    schema: pa.Schema
    lists: frozenset[str]
    blank_lines: int


def json_fields(path: Path) -> JsonFields:
    """Read the whole file once. Raises DataError: no rows, or the 1-based line that is wrong."""
    kinds: dict[str, set[str]] = {}
    blank_lines = 0
    for row in _lines(path):
        blank_lines += row is None
        for name, value in (row or {}).items():
            kinds.setdefault(name, set()).add(_kind(value))
    if not kinds:
        raise DataError(f"{path} is empty: it has no rows.")
    lists = frozenset(name for name, seen in kinds.items() if seen & {"texts", "list"})
    schema = pa.schema([_field(name, seen) for name, seen in kinds.items()])
    return JsonFields(schema, lists, blank_lines)


def json_tables(path: Path, schema: pa.Schema, num_rows: int) -> Iterator[pa.Table]:
    """Tables of ``num_rows`` rows, the last may be shorter; a field that a row lacks is null.

    ``schema`` holds fields of the file's `json_fields`. Raises DataError naming the line.
    """
    rows = (row for row in _lines(path) if row is not None)
    while block := list(itertools.islice(rows, num_rows)):
        yield _table(block, schema)


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        if is_json(field):
            values = [None if v is None else json.dumps(v, ensure_ascii=False) for v in values]
        columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def is_json(field: pa.Field) -> bool:
    """Whether the column's texts are JSON that ``json_tables`` wrote."""
    return bool(field.metadata == _AS_JSON)


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """One object a line, None for a blank line. A byte order mark may begin any line."""
    first = True
    with open_text(path) as text:
        for number, line in enumerate(text, start=1):
            if "\0" in line:
                refuse_bytes(path)
            if not line.strip("\ufeff \t\r\n"):
                yield None
                continue
            if first and line.lstrip("\ufeff \t").startswith("["):
                raise DataError(
                    f"{path} holds one JSON array; jsonl holds one JSON object a line. Convert it: "
                    "jq -c '.[]' FILE > NEW.jsonl"
                )
            first = False
            yield _row(line.removeprefix("\ufeff"), f"{path}: line {number}")


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_distinct)
        if "\\ud" in line.lower():  # an escape may be half a character, which UTF-8 can't hold
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where} holds half a character (a lone surrogate, \\ud800 to \\udfff), which UTF-8 "
            "has no bytes for. Write it again with whole characters."
        ) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where} is not JSON ({error.msg}); jsonl holds one JSON object a line."
        ) from None
    except _TwiceError:
        raise DataError(
            f"{where} has two values for one name in an object. Which is meant? Leave one."
        ) from None
    except (ValueError, RecursionError):
        raise DataError(
            f"{where} can't be read: it nests too deeply, or holds a number of thousands of digits."
        ) from None
    if not isinstance(row, dict):
        raise DataError(f"{where} is not a JSON object; jsonl holds one JSON object a line.")
    return row


class _TwiceError(Exception):
    """An object has the same name twice, of which Python's json would keep the last."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _TwiceError
    return made


def _kind(value: object) -> str:
    if isinstance(value, bool):  # before int, which a bool is too
        return "bool"
    if isinstance(value, int):
        # beyond 53 bits a double is not exact, beyond 63 there is no Arrow integer
        return "integer" if abs(value) <= 1 << 53 else "long" if abs(value) < 1 << 63 else "json"
    if isinstance(value, list):
        return "texts" if all(isinstance(item, str) for item in value) else "list"
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
