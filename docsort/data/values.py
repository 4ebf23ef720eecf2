"""Values of a source's columns as texts and labels: one spelling, whatever they were read from.

A null and a floating NaN are missing. Numbers are spelled as Arrow spells them (1.0 is "1"), truth
values as "true" and "false". What can't be one text or label is refused by row, and never quoted.
"""

import ast
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from docsort.core.errors import DataError
from docsort.data.invisible import is_invisible
from docsort.data.json_rows import is_json
from docsort.data.naming import shortened

_LISTS: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_WRITE_LABELS = (
    "Write plain labels, several as in sport;food with \"data.label_separator=';'\", or as lists "
    "in jsonl or parquet."
)


def tab_of(separator: str) -> str:
    """Two characters are what a shell leaves of a tab."""
    return separator.replace("\\t", "\t")


def is_list(type: pa.DataType) -> bool:
    """Arrow has several kinds of list; labels may come as any."""
    return any(of_type(type) for of_type in _LISTS)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """One column's values, and how an error names them.

    Args:
        values: a column of a table.
        field: its field in the table's schema, with its name in the source.
        setting: the setting that chose the column, as in ``data.text_column``.
        source: the file, or what else the user named.
        first: row of the first value, 0-based in the source.
    """

    values: pa.ChunkedArray
    field: pa.Field
    setting: str
    source: str
    first: int

    def texts(self) -> pa.ChunkedArray:
        """Strings, "" for a missing value. Raises DataError for what is no single value."""
        if not self._mixed:
            return self._spelled(self.values)
        texts = [self._text(value, row) for row, value in enumerate(self._python())]
        return pa.chunked_array([pa.array(texts, pa.string())])

    def labels(self) -> pa.ChunkedArray:
        """One label each, trimmed, "" for a missing one. Raises DataError."""
        labels = pc.utf8_trim_whitespace(self.texts())
        for row, label in enumerate(labels.to_pylist()):
            self._refuse_written_list(label, row)
        return labels

    def label_lists(self, separator: str | None) -> list[list[str] | None]:
        """Labels sorted, each once; None where they are missing.

        A list's items are labels. Any other value is split at ``separator``, where there is one. A
        blank value is missing. A separator alone says that there are no labels, as ``[]`` does. A
        list of missing values only is missing.

        Raises:
            DataError: something nested, or a list written as text.
        """
        return [
            self._split(listed, row, separator)
            if isinstance(listed, str)
            else self._of_list(listed, row)
            for row, listed in enumerate(self._listed())
        ]

    def flags(self) -> list[bool | None]:
        """Whether each value is 1; None where it is missing. Raises DataError for all but 0, 1."""
        return [self._flag(text, row) for row, text in enumerate(self.texts().to_pylist())]

    def error(self, row: int, what: str, next_step: str) -> DataError:
        """ "FILE: row 7 holds WHAT in column 'x' (data.text_column). NEXT STEP" """
        return DataError(
            f"{self.source}: row {self.first + row} holds {what} in column "
            f"{shortened(self.field.name)} ({self.setting}). {next_step}"
        )

    @property
    def _mixed(self) -> bool:
        """Whether the values are of more than one kind, or nested: looked at one by one."""
        return is_json(self.field) or pa.types.is_nested(self.values.type)

    def _python(self) -> Iterator[Any]:
        if is_json(self.field):
            return (value and json.loads(value) for value in self.values.to_pylist())
        if pa.types.is_map(self.values.type):  # its pairs come as a list
            return (value and dict(value) for value in self.values.to_pylist())
        return iter(self.values.to_pylist())

    def _listed(self) -> Iterator[str | list[str]]:
        """Lists with their items as texts, and other values as one text."""
        type = self.values.type
        if not self._mixed:
            yield from self.texts().to_pylist()
        elif is_list(type) and not pa.types.is_nested(type.value_type):
            lists = self.values.cast(pa.list_(type.value_type))
            items = iter(self._spelled(pc.list_flatten(lists)).to_pylist())
            for length in pc.list_value_length(lists).to_pylist():
                yield "" if length is None else [next(items) for _ in range(length)]
        else:
            for row, value in enumerate(self._python()):
                if isinstance(value, list):
                    yield [self._text(item, row, " in a list") for item in value]
                else:
                    yield self._text(value, row)

    def _text(self, value: Any, row: int, where: str = "") -> str:
        if isinstance(value, list | dict | tuple):
            what = "a list" if isinstance(value, list) else "an object"
            raise self.error(
                row,
                what + where,
                "Write a text, a number, true or false, or name another column: "
                f"{self.setting}=NAME.",
            )
        if value is None or isinstance(value, str):
            return value or ""
        if type(value) is int:  # JSON's may be too large for Arrow
            return str(value)
        return str(self._spelled(pa.chunked_array([pa.array([value])]))[0])

    def _spelled(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Strings for values of one type that is not nested."""
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if pa.types.is_floating(values.type):
            values = pc.if_else(pc.is_nan(values), None, values)
        try:
            return pc.fill_null(values.cast(pa.string()), "")
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            raise DataError(
                f"{self.source}: column {shortened(self.field.name)} holds {values.type}, which is "
                f"not text ({self.setting}). Name another column: {self.setting}=NAME."
            ) from None

    def _split(self, cell: str, row: int, separator: str | None) -> list[str] | None:
        self._refuse_written_list(cell.strip(), row, separator)
        parts = cell.split(separator) if separator is not None else [cell]
        labels = _distinct(parts)
        is_missing = not cell.strip() or (len(parts) == 1 and not labels)
        return None if is_missing else labels

    def _of_list(self, items: list[str], row: int) -> list[str] | None:
        labels = _distinct(items)
        for label in labels:
            self._refuse_written_list(label, row)
        return None if items and not labels else labels

    def _refuse_written_list(self, label: str, row: int, separator: str | None = None) -> None:
        if _is_written_list(label, separator):
            raise self.error(row, "a list written as text", _WRITE_LABELS)

    def _flag(self, text: str, row: int) -> bool | None:
        word = text.strip().lower()
        if word and word not in _FLAGS:
            raise self.error(
                row,
                "neither 0 nor 1",
                "Each of several label columns holds 0 or 1 (or true, false); its name is the "
                "label. Mend the value, or name one column of labels.",
            )
        return _FLAGS.get(word)


def flagged(columns: Sequence[Cells]) -> list[list[str] | None]:
    """The names, sorted, of the columns that hold 1; None where all are blank. Raises DataError."""
    names = [cells.field.name for cells in columns]
    rows = zip(*(cells.flags() for cells in columns), strict=True)
    return [_of_flags(columns, names, flags, row) for row, flags in enumerate(rows)]


def _of_flags(
    columns: Sequence[Cells], names: list[str], flags: tuple[bool | None, ...], row: int
) -> list[str] | None:
    if all(flag is None for flag in flags):
        return None
    if None in flags:
        blank = columns[flags.index(None)]
        raise blank.error(
            row, "a blank", "Other label columns of the row say 0 or 1: write one of them here too."
        )
    return sorted(name for name, flag in zip(names, flags, strict=True) if flag)


def _distinct(labels: Iterable[str]) -> list[str]:
    """Labels trimmed and sorted, each once, without those that can't be seen."""
    return sorted({label.strip() for label in labels if not is_invisible(label)})


def separator_between(labels: Sequence[str], preferred: str | None) -> str:
    """What can be written between the labels of one cell, so that the cell can be split again.

    The preferred one if it can, else the first of some punctuation that is in no label. Raises
    DataError where each is in some label.
    """
    candidates = [tab_of(preferred or ";"), *list(";|,/~^#&+*!@$%=:")]
    for separator in candidates:
        if separator.strip() and all(_is_apart(label, separator) for label in labels):
            return separator
    raise DataError(
        "The labels hold all that could be written between them in one cell. Write .jsonl or "
        ".parquet, which have lists."
    )


def joined(labels: Sequence[str], separator: str) -> str | None:
    """One cell that is read as these labels; None where there is no such cell.

    No labels are a separator alone: an empty cell says that they are missing.
    """
    if any(is_invisible(label) or not _is_apart(label, separator) for label in labels):
        return None
    cell = separator.join(labels) or separator
    return cell + separator if _is_written_list(cell, separator) else cell


def _is_apart(label: str, separator: str) -> bool:
    """Whether a separator beside the label is found there, and nowhere in the label."""
    sides = (label + separator).split(separator), (separator + label).split(separator)
    return sides == ([label, ""], ["", label])


def _is_written_list(cell: str, separator: str | None) -> bool:
    """Whether a cell is a list as Python, NumPy or JSON writes it, and not a label in brackets.

    A bracketed number alone may be a label, but not where labels are separated.
    """
    if cell[:1] not in ("[", "(", "{"):
        return False
    items = _literal(cell)
    if isinstance(items, list | tuple | set | frozenset):
        several = not isinstance(items, tuple) and len(items) != 1
        return several or separator is not None or any(isinstance(item, str) for item in items)
    inside = cell[1:-1]
    bare = cell[0] == "[" and cell[-1] == "]" and "[" not in inside and "]" not in inside
    return bare and separator is not None and separator in inside


def _literal(cell: str) -> object:
    for read in (json.loads, ast.literal_eval):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python warns of escapes that it does not know
                return read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            pass
    return None
