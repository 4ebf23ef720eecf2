"""A file of labelled documents (csv, tsv, jsonl, parquet; also .gz) to rows in a Dataset.

Every row keeps its 0-based number in the file. Drops no row, and knows nothing of splits.
"""

import json
from pathlib import Path

from docsort.core.errors import DataError
from docsort.core.hashing import file_sha256
from docsort.data.file_formats import batches, format_of, present_columns
from docsort.data.fingerprints import check_utf8
from docsort.data.rows import Columns, Rows, conformed, row_schema
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
    present, lists = present_columns(file, kind)
    columns.check(str(file), present)
    wanted = columns.wanted()
    listed = not lists.isdisjoint(columns.label)
    schema = row_schema(wanted, multi_label=listed or separator is not None)
    digest = file_sha256(file)
    key = ("file", kind, digest, json.dumps(wanted), separator or "")
    tables = map(columns.under_our_names, batches(file, kind, columns.names()))
    return Rows(stored(key, schema, conformed(tables, schema, separator)), file.name, digest)


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
