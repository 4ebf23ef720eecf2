"""The first record of a csv or tsv: which delimiter, which columns, and whether it is a header.

No error quotes a record that may be a document.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from docsort.core.errors import DataError
from docsort.data.delimited import Delimited, read_records
from docsort.data.fingerprints import open_text
from docsort.data.naming import named
from docsort.data.table_format import DELIMITERS, OTHER_DELIMITERS, TableFormat

# Records behind the first in which its cells are looked for: a label comes again, a name doesn't.
_FOLLOWING = 1_000
_NAME_CHARACTERS, _NAME_WORDS = 40, 4
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r])"?\r?\n?')
_WORDS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


def open_delimited(
    path: Path, kind: str, form: TableFormat, wanted: Sequence[str] = ()
) -> Delimited:
    """The file with its delimiter and the names of its columns.

    Args:
        path: the file.
        kind: ".csv" or ".tsv".
        form: what the user says of it.
        wanted: columns that tell the delimiter by being there.

    Raises:
        DataError: the file is empty, or its first record can't be read, or it lacks wanted columns
            and is likely to have another delimiter or no header. Other files that lack a column
            are returned.
    """
    separator = _separator_line(path)
    usual = form.delimiter or separator or DELIMITERS[kind]
    skipped = 0 if separator is None else 1
    try:
        opened = _opened(path, form, usual, skipped)
    except DataError:  # as ',' does with "text";"label"
        if found := _found(path, form, usual, skipped, wanted):
            return found
        raise
    if set(wanted) <= set(opened.names):
        if not form.header and form.delimiter is None and separator is None:
            _refuse_other_delimiters(opened)
        return opened
    if form.delimiter is None and (found := _found(path, form, usual, skipped, wanted)):
        return found
    if set(wanted).isdisjoint(opened.names):
        if form.header and _may_be_data(opened):
            raise DataError(_no_header(opened, wanted))
        if len(opened.names) == 1 and len(set(wanted)) > 1:
            raise DataError(_one_column(opened, wanted))
    return opened


def _separator_line(path: Path) -> str | None:
    r"""What Excel obeys: ``sep=;`` as the first line."""
    with open_text(path) as text:
        match = _SEPARATOR_LINE.fullmatch(text.readline(10))
        return match[1] if match else None


def _opened(path: Path, form: TableFormat, delimiter: str, skipped: int) -> Delimited:
    for record in read_records(path, form, delimiter, skipped):
        if cells := record.cells:
            names = tuple(cells) if form.header else tuple(map(str, range(len(cells))))
            return Delimited(
                path=path, form=form, delimiter=delimiter, names=names, skipped_lines=skipped
            )
    raise DataError(f"{path} is empty: it has no header and no rows.")


def _found(
    path: Path, form: TableFormat, usual: str, skipped: int, wanted: Sequence[str]
) -> Delimited | None:
    """The file under the first other delimiter that gives it the wanted columns."""
    if form.delimiter is not None or not wanted:
        return None
    for other in OTHER_DELIMITERS:
        try:
            opened = _opened(path, form, other, skipped)
        except DataError:
            continue
        if other != usual and set(wanted) <= set(opened.names):
            note = f"{path.name} is read with {_WORDS[other]} as its delimiter."
            return replace(opened, notes=(note,))
    return None


def _refuse_other_delimiters(file: Delimited) -> None:
    """Without a header a line of several columns may be taken for one text."""
    if len(file.names) > 1:
        return
    for other in OTHER_DELIMITERS:
        try:
            opened = _opened(file.path, file.form, other, file.skipped_lines)
            is_table = len(opened.names) > 1
            for _ in islice(opened.records(), _FOLLOWING if is_table else 0):
                pass
        except DataError:
            continue
        if is_table:
            raise DataError(
                f"{file.path} can be read in two ways: in one column, or in {len(opened.names)} "
                f"with {_WORDS[other]} as the delimiter. Name the delimiter: "
                f"{file.form.setting('delimiter', 'CHARACTER')}."
            )


def _may_be_data(file: Delimited) -> bool:
    """Whether the first record has what names have not, or one of its cells comes again below."""
    for name in file.names:
        if len(name) > _NAME_CHARACTERS or len(name.split()) > _NAME_WORDS:
            return True
        if _NUMBER.fullmatch(name.strip()):
            return True
    try:
        for record in islice(file.records(), _FOLLOWING):
            if any(map(_same, record.cells, file.names)):
                return True
    except DataError:
        pass  # it has another fault, too, and the columns come first
    return False


def _same(cell: str, name: str) -> bool:
    return bool(cell) and cell == name


def _no_header(file: Delimited, wanted: Sequence[str]) -> str:
    return (
        f"{file.path} has no column {named(dict.fromkeys(wanted))}, and its first line looks like "
        f"data, not like names of columns. If the file has no header: "
        f"{file.form.setting('header', 'false')}, and name columns by number, 0 being the first "
        f"({file.form.text_column_setting}=0). If it has one, name its columns: "
        f"{file.form.text_column_setting}=NAME."
    )


def _one_column(file: Delimited, wanted: Sequence[str]) -> str:
    return (
        f"{file.path} has no column {named(dict.fromkeys(wanted))}. Under the delimiter "
        f"{file.delimiter!r} it has one column only. Name the delimiter that the file has: "
        f"{file.form.setting('delimiter', 'CHARACTER')}."
    )
