"""Whether a csv or tsv can be read in another way as well: its quoting is not in the file.

A file written without quoting, whose texts hold quotation marks, may be a table under RFC 4180 by
accident: it swallows rows or loses the marks. So after a strict reading these are refused:

- A column has cells in quotation marks that need none, beside texts without. Programs quote by a
  rule: all texts, or those that hold certain characters.
- Records span lines, and the file is a table as well when each line is a record.
- Backslashes escape: the file is a table with other cells as well when they do.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from docsort.core.errors import DataError
from docsort.data.delimited import TYPED_BACKSLASH, Delimited, Record
from docsort.data.naming import shortened

# Unquoted even where all texts are quoted.
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)*|[.,]\d+|inf)(e[+-]?\d+)?%?", re.IGNORECASE)
# Quoted, by some programs, only to tell it from a missing value.
_WORD = re.compile(r"|na|n/a|nan|null|none|nil|\\n|true|false", re.IGNORECASE)


def rows_of(file: Delimited, skipped: Counter[str]) -> Iterator[Record]:
    """The file's rows by its own format.

    Args:
        file: the file.
        skipped: counts what is no row.

    Raises:
        DataError: a record can't be read. With ``quoting="auto"``, behind the last row: another
            reading of the file is as good.
    """
    if file.form.quoting != "auto":
        yield from file.records(skipped=skipped)
        return
    survey = _Survey(file)
    for record in file.records(skipped=skipped):
        survey.see(record)
        yield record
    survey.refuse_other_readings()


@dataclass
class _Column:
    """How a column's texts are quoted. Numbers and words for a missing value are no texts here.

    Attributes:
        bare: the first record with a text that is not quoted.
        bare_signs: what unquoted texts hold that may be a reason to quote them.
        quoted: the first record for each set of reasons that a quoted text has.
        spans: the first record with a quoted text of several lines.
        in_one_line: whether there is a quoted text in a record of one line.
    """

    bare: int = 0
    bare_signs: set[str] = field(default_factory=set)
    quoted: dict[frozenset[str], int] = field(default_factory=dict)
    spans: int = 0
    in_one_line: bool = False

    @property
    def is_quoted(self) -> bool:
        """Whether all of its texts are quoted, and not only those of several lines."""
        return self.in_one_line and not self.bare

    @property
    def is_suspect(self) -> bool:
        """Whether it matters that other texts are not quoted."""
        return bool(self.spans) or any("delimiter" not in signs for signs in self.quoted)

    def needless(self) -> int:
        """The first record with a quoted text that the rule for unquoted ones would not quote."""
        for signs, first in self.quoted.items():
            lacks_reason = signs <= self.bare_signs or "mark" in self.bare_signs
            if self.bare and "delimiter" not in signs and lacks_reason:
                return first
        return 0


class _Survey:
    """Looks at every record, closely where it holds a quotation mark."""

    def __init__(self, file: Delimited) -> None:
        self._file = file
        self._columns = [_Column() for _ in file.names]
        self._has_bare_records = self._has_escapes = False
        self._token, self._escape = _token(file), _escape(file)

    def see(self, record: Record) -> None:
        if self._escape and "\\" in record.raw and self._escape.search(record.raw):
            self._has_escapes = True
        if '"' not in record.raw:
            self._has_bare_records = True
            return
        raw = record.raw.rstrip("\r\n")
        end = "\r" if record.raw.endswith("\r") else "\n"
        tokens = self._token.findall(raw)
        for column, cell, token in zip(self._columns, record.cells, tokens, strict=False):
            if _WORD.fullmatch(cell):
                continue
            if not token.startswith('"'):
                if _NUMBER.fullmatch(cell):
                    continue
                column.bare = column.bare or record.number
                column.bare_signs |= self._signs(cell)
            else:
                column.quoted.setdefault(self._signs(cell), record.number)
                column.in_one_line |= end not in raw
                if end in cell:
                    column.spans = column.spans or record.number

    def refuse_other_readings(self) -> None:
        """Raises DataError."""
        if self._has_bare_records:
            self._see_bare_records()
        for name, column in zip(self._file.names, self._columns, strict=True):
            if needless := column.needless():
                raise DataError(self._needless(name, needless, column.bare))
        spans = min((c.spans for c in self._columns if c.spans and not c.is_quoted), default=0)
        if spans and len(self._columns) > 1 and self._is_table_by_line():
            raise DataError(self._spans(spans))
        if self._has_escapes and (other := self._first_other_by_escape()):
            raise DataError(self._escapes(other))

    def _see_bare_records(self) -> None:
        """Unquoted texts beside those whose quoting may be none; ends at the first of these."""
        columns = [
            (place, column) for place, column in enumerate(self._columns) if column.is_suspect
        ]
        if not columns:
            return
        for record in self._file.records():
            if '"' in record.raw:
                continue
            for place, column in columns:
                cell = record.cells[place]
                if _WORD.fullmatch(cell) or _NUMBER.fullmatch(cell):
                    continue
                signs = self._signs(cell)
                if not (column.bare and signs <= column.bare_signs):
                    column.bare = column.bare or record.number
                    column.bare_signs |= signs
                    if column.needless():
                        return

    def _signs(self, cell: str) -> frozenset[str]:
        """Why a program may quote a text. Excel quotes commas also where tabs delimit, Commons CSV
        a first character up to "#", several do spaces at the ends."""
        signs = set()
        if self._file.delimiter in cell:
            signs.add("delimiter")
        if "\n" in cell:
            signs.add("line")
        if "\r" in cell:
            signs.add("return")
        if '"' in cell:
            signs.add("mark")
        if "," in cell:
            signs.add("comma")
        if cell[0].isspace() or cell[-1].isspace():
            signs.add("edge")
        if cell[0] <= "#":
            signs.add("start")
        return frozenset(signs)

    def _is_table_by_line(self) -> bool:
        """Whether it is one when each line is a record, and all of them end alike."""
        form = replace(self._file.form, quoting="none")
        ends = set()
        try:
            for record in self._file.records(form):
                ends.add(record.raw[-2:] == "\r\n")
                if len(ends) > 1 and record.raw.endswith(("\n", "\r")):
                    return False
        except DataError:
            return False
        return True

    def _first_other_by_escape(self) -> int:
        """The first record that escapes change, where the file is a table with them; else 0."""
        form = replace(self._file.form, escape="\\")
        first = 0
        try:
            for ours, theirs in zip_longest(self._file.records(), self._file.records(form)):
                if not first and (not ours or not theirs or ours.cells != theirs.cells):
                    first = (ours or theirs).number
        except DataError:
            return 0
        return first

    def _needless(self, name: str, needless: int, bare: int) -> str:
        return (
            f"{self._file.path} can be read in two ways: in the column {shortened(name)}, the text "
            f"of record {needless} is in quotation marks that it does not need, and that of record "
            f"{bare} is not. {self._choice()}"
        )

    def _spans(self, spans: int) -> str:
        return (
            f"{self._file.path} can be read in two ways: record {spans} has line breaks inside "
            "quotation marks, and the file is a table as well if each line is a record and "
            f"quotation marks are characters. {self._choice()}"
        )

    def _escapes(self, other: int) -> str:
        form = self._file.form
        return (
            f"{self._file.path} can be read in two ways: from record {other} on, backslashes may "
            f"be characters ({form.setting('quoting', 'standard')}) or escape what follows "
            f"({form.setting('escape', TYPED_BACKSLASH)}). Say which."
        )

    def _choice(self) -> str:
        form = self._file.form
        return (
            f"If quotation marks enclose cells: {form.setting('quoting', 'standard')}. If they "
            f"are part of the texts: {form.setting('quoting', 'none')}."
        )


def _token(file: Delimited) -> re.Pattern[str]:
    """Cells as they are in a record that csv.reader has accepted."""
    end = re.escape(file.delimiter)
    quoted, bare = r'"[^"]*(?:""[^"]*)*"', rf"[^{end}]*"
    if file.form.escape:
        quoted, bare = r'"[^"\\]*(?:(?:""|\\.)[^"\\]*)*"', rf"(?:[^{end}\\]|\\.)*"
    return re.compile(rf"({quoted}|{bare})(?:{end}|\Z)", re.DOTALL)


def _escape(file: Delimited) -> re.Pattern[str] | None:
    """Where a backslash may escape; None where the user has said whether it does.

    In one column the lines make a table whatever ends them, so only quotation marks tell there.
    """
    if file.form.escape:
        return None
    escaped = f'["\r\n{re.escape(file.delimiter)}]' if len(file.names) > 1 else '"'
    return re.compile(rf"\\{escaped}")
