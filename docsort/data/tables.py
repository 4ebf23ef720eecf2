"""A file of labelled documents (csv, tsv, jsonl, parquet; also .gz) to rows in a Dataset.

Every row keeps its 0-based number in the file. Drops no row, and knows nothing of splits.
"""

import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from docsort.core.errors import DataError
from docsort.core.hashing import file_sha256
from docsort.data.file_formats import format_of, open_table
from docsort.data.rows import Columns, Rows, conformed, row_schema, separator_notes
from docsort.data.store import stored
from docsort.data.table_format import TableFormat


def read_table(
    path: str | Path,
    columns: Columns,
    separator: str | None = None,
    form: TableFormat | None = None,
) -> Rows:
    """Labelled rows. Labels are lists, and the task is multi_label, when the file has lists.

    Args:
        path: the file.
        columns: which of its columns are which of ours.
        separator: stands between the labels of one cell, which makes the task multi_label, too.
        form: how a csv or tsv is written.

    Raises:
        DataError: no such file, unknown format, not UTF-8, a missing column, no rows, or a csv that
            can be read in two ways.
    """
    file = _existing(Path(path), path)
    kind = format_of(file)
    form = form or TableFormat()
    required = replace(columns, group=None) if columns.group_optional else columns
    table = open_table(file, kind, form, required.names())
    columns = columns.found_in(str(file), table.names)
    schema = row_schema(columns, not table.lists.isdisjoint(columns.label), separator)
    digest = file_sha256(file)
    key = ("file", kind, digest, json.dumps(columns.wanted()), columns.empty_label, separator or "")
    counted: Counter[str] = Counter()
    tables = table.read(columns.names(), counted)
    dataset = stored(
        (*key, repr(form), *table.notes),
        schema,
        conformed(tables, columns, schema, separator, str(file)),
        counted,
    )
    notes = (*table.notes, *separator_notes(dataset, file.name, separator))
    return Rows(dataset, file.name, digest, {**table.skipped, **counted}, notes)


def _existing(file: Path, given: str | Path) -> Path:
    file = file.expanduser().absolute()
    if file.is_dir():
        raise DataError(f"{file} is a folder, not a file; for one folder per label: data=folder.")
    if not file.exists():
        raise DataError(
            f"There is no file {file} (looked for {given!s} in {Path.cwd()}). Check the path; "
            "relative paths start where the command runs."
        )
    if not file.is_file():
        raise DataError(f"{file} is not a regular file. Save it as one: it is read more than once.")
    if not os.access(file, os.R_OK):
        raise DataError(f"{file} can't be read: permission denied.")
    return file
