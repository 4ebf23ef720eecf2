"""A csv or tsv file to records of cells, by RFC 4180 to the letter: in a record nothing is guessed.

One parser, ``csv.reader(strict=True)``, for training, audit, evaluate and score. Whether a file can
be read in another way as well is looked for by quoting.py. No error quotes a cell.
"""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from docsort.core.errors import DataError
from docsort.data.fingerprints import open_text, refuse_bytes
from docsort.data.table_format import TableFormat

BLANK_LINE = "blank line"
# A longer cell is taken for one whose closing quotation mark is missing.
CELL_CHARACTERS = 128 << 20
# As a shell takes it.
TYPED_BACKSLASH = '"\\\\"'
# csv.reader ends a record at a lone carriage return, which pandas leaves unquoted. In its place the
# reader gets this noncharacter.
_CARRIAGE_RETURN = "\ufdd0"


class Record(NamedTuple):
    """Cells, the lines they were read from as they are, and where; both counts begin at 1."""

    cells: list[str]
    raw: str
    number: int
    line: int


@dataclass(frozen=True, kw_only=True)
class Delimited:
    """A csv or tsv whose delimiter and columns are known.

    Attributes:
        path: the file, as the user named it.
        form: what the user said of it.
        delimiter: one character.
        names: of the columns, in the file's order. They may be empty and need not be distinct.
        skipped_lines: lines before the first record that belong to none.
        notes: sentences for the user about how the file is read.
    """

    path: Path
    form: TableFormat
    delimiter: str
    names: tuple[str, ...]
    skipped_lines: int = 0
    notes: tuple[str, ...] = ()

    def records(
        self,
        form: TableFormat | None = None,
        skipped: Counter[str] | None = None,
    ) -> Iterator[Record]:
        """The rows. A blank line is one with an empty cell in a table of one column only.

        Args:
            form: another format than the file's own.
            skipped: counts what is no row.

        Raises:
            DataError: a record can't be read, or is of another width than the header.
        """
        form, width = form or self.form, len(self.names)
        skipped = Counter() if skipped is None else skipped
        records = read_records(self.path, form, self.delimiter, self.skipped_lines)
        if form.header:
            header = next((record for record in records if record.cells), None)
            if header and len(header.cells) != width:
                raise DataError(self._ragged(header, width, form))
        for record in records:
            cells = record.cells
            if len(cells) == width:
                yield record
            elif cells:
                raise DataError(self._ragged(record, width, form))
            elif width == 1:
                yield record._replace(cells=[""])
            else:
                skipped[BLANK_LINE] += 1

    def _ragged(self, record: Record, width: int, form: TableFormat) -> str:
        first = "the header is record 1" if form.header else "the first is record 1"
        escaped = f"\\{self.delimiter}" in record.raw or record.raw.rstrip("\r\n").endswith("\\")
        delimiter = form.setting("delimiter", "CHARACTER")
        return (
            f"{self.path}: record {record.number} ({first}) has {len(record.cells)} columns, not "
            f"{width}, in line {record.line}. Quote values that hold the delimiter or a line "
            'break, and write a quotation mark inside them twice ("").'
            + (_escape_hint(form) if escaped and form.escape is None else "")
            + (f" Or name another delimiter: {delimiter}." if width == 1 else "")
        )


def read_records(
    path: Path,
    form: TableFormat,
    delimiter: str,
    skipped_lines: int = 0,
) -> Iterator[Record]:
    """All records, the header among them. A blank line is a record without cells, and no number.

    Args:
        path: the file.
        form: how it is written.
        delimiter: one character.
        skipped_lines: lines to pass over at the beginning.

    Raises:
        DataError: the file can't be decoded, or a record can't be read.
    """
    csv.field_size_limit(CELL_CHARACTERS)
    number, line = 1, 1 + skipped_lines
    with open_text(path) as text:
        lines = _Lines(itertools.islice(text, skipped_lines, None), path, form, delimiter)
        reader = csv.reader(lines, **form.reader(delimiter))
        try:
            for cells in reader:
                raw = "".join(lines.taken)
                yield Record(lines.restored(cells, raw), raw, number, line)
                number += bool(cells)
                line += len(lines.taken)
                lines.taken.clear()
        except csv.Error as error:
            where = f"{path}: record {number}, which begins in line {line},"
            raise DataError(f"{where} {_complaint(str(error), lines.taken, form)}") from None


class _Lines:
    """Gives csv.reader lines, and remembers those of the present record."""

    def __init__(self, lines: Iterable[str], path: Path, form: TableFormat, delimiter: str) -> None:
        self.taken: list[str] = []
        self._lines, self._path, self._form = iter(lines), path, form
        self._has_marks = False
        # a backslash before any other character is one: R and Spark leave it, MySQL has \N
        self._escapes = re.compile(rf'\\(\r\n|[\\"\r\n{re.escape(delimiter)}])?')

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken.append(line)
        if "\0" in line:
            refuse_bytes(self._path)
        if self._form.escape and "\\" in line:
            line = self._escapes.sub(_escaped, line)
        end = len(line) - (2 if line.endswith("\r\n") else 1 if line.endswith(("\n", "\r")) else 0)
        if line.find("\r", 0, end) >= 0:
            self._has_marks = True
            line = line[:end].replace("\r", _CARRIAGE_RETURN) + line[end:]
        return line

    def restored(self, cells: list[str], raw: str) -> list[str]:
        """Cells with their carriage returns, and MySQL's null as an empty cell."""
        if self._form.escape:
            cells = ["" if cell == r"\N" else cell for cell in cells]
        if not self._has_marks:
            return cells
        self._has_marks = False
        quoted = raw.startswith('"') and self._form.quoting != "none"
        if _CARRIAGE_RETURN in raw or (len(cells) == 1 and not quoted):
            raise csv.Error("new-line character")
        return [cell.replace(_CARRIAGE_RETURN, "\r") for cell in cells]


def _escaped(match: re.Match[str]) -> str:
    if match[1] is None:
        return r"\\"
    return "".join(f"\\{character}" for character in match[1])


def _complaint(error: str, lines: list[str], form: TableFormat) -> str:
    """What csv.reader's message means; the next step."""
    if "new-line character" in error:
        return (
            "has a carriage return or a line feed that ends no line as the others do, outside of "
            "quotation marks. End all lines alike, and quote cells with line breaks."
        )
    if "field limit" in error:
        what = f"has a cell of more than {CELL_CHARACTERS >> 20} Mi characters; "
        what += "is a closing quotation mark missing?"
    elif "unexpected end of data" in error:
        what = "opens a quotation mark that is not closed up to the end of the file."
    else:
        what = "has text behind a closing quotation mark."
    none = form.setting("quoting", "none")
    escaped = form.escape is None and any('\\"' in line for line in lines)
    return (
        f'{what} A quotation mark inside a quoted cell is written twice (""). If the file is '
        f"written without quoting, so that quotation marks are part of the texts: {none}."
        + (_escape_hint(form) if escaped else "")
    )


def _escape_hint(form: TableFormat) -> str:
    setting = form.setting("escape", TYPED_BACKSLASH)
    return f" A backslash stands before one; if backslashes escape in this file: {setting}."
