"""A file of labelled documents (csv, tsv, jsonl, parquet; also .gz) to rows in a Dataset.

Every row keeps its 0-based number in the file. Drops no row, and knows nothing of splits.
"""

import json
from pathlib import Path

from docsort.core.errors import DataError
from docsort.core.hashing import file_sha256
from docsort.data.file_formats import batches, format_of, present_columns
from docsort.data.fingerprints import check_utf8
from docsort.data.rows import Columns, Rows, conformed, row_schema, separator_notes
from docsort.data.store import stored


def read_table(path: str | Path, columns: Columns, separator: str | None = None) -> Rows:
    """Raises DataError: no such file, unknown format, not UTF-8, a missing column, no rows.

    Labels are lists, and the task is multi_label, when the file has lists or ``separator`` stands
    between the labels of one cell.
    """
    file = _existing(Path(path), path)
    kind = format_of(file)
    if kind != ".parquet":
        check_utf8(file)
    present = present_columns(file, kind)
    columns = columns.found_in(str(file), present.names)
    schema = row_schema(columns, not present.lists.isdisjoint(columns.label), separator)
    digest = file_sha256(file)
    key = ("file", kind, digest, json.dumps(columns.wanted()), columns.empty_label, separator or "")
    tables = batches(file, kind, columns.names())
    dataset = stored(key, schema, conformed(tables, columns, schema, separator, str(file)))
    notes = separator_notes(dataset, file.name, separator)
    return Rows(dataset, file.name, digest, present.skipped, notes)


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
