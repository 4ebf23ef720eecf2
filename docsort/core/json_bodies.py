"""JSON text to values, strictly by RFC 8259. Every error names line, column and reason.

No error quotes the text, which may be a private document.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

_CLOSING = ("}", "]")
# Typed by word processors in place of "
_CURLY_QUOTES = ("“", "”", "„", "‘", "’")


def read_json(text: str) -> Any:
    """The value that a JSON text holds.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or has NaN, Infinity or a duplicate key.
    """
    if not text.strip():
        raise ValueError("it is empty")
    try:
        # Python refuses to convert very long integers; as floats they are refused by their field
        return json.loads(
            text,
            parse_int=_short_int,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object_of,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {_reason(error)}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def is_object_of(text: str, keys: Collection[str], needs: Collection[str]) -> bool:
    """Whether a text is a JSON object with no other keys than these, and one of those it needs."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        value = json.loads(text, parse_int=_short_int)
    except (ValueError, RecursionError):
        return False
    return not set(value) - set(keys) and bool(set(value) & set(needs))


def _reason(error: json.JSONDecodeError) -> str:
    """Why the parser stops, in words of the mistakes that people make."""
    before, at = error.doc[: error.pos].rstrip(), error.doc[error.pos : error.pos + 1]
    if error.msg.startswith("Invalid control character"):
        return r"a raw line break or control character in a string; write it escaped, as in \n"
    if error.msg == "Extra data":
        return "more text after the end of the JSON value"
    if at == "'":
        return 'single quotes; JSON strings take double quotes (")'
    if at in _CURLY_QUOTES:
        return 'typographic quotes; JSON strings take straight double quotes (")'
    if (before.endswith(",") and at in _CLOSING) or error.msg.startswith("Illegal trailing comma"):
        return "a trailing comma"
    # Some versions of Python quote the text behind a colon.
    return error.msg.partition(": ")[0].removesuffix(":").removesuffix(" at")


def _object_of(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON numbers")


def _short_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 16 else float(digits)
