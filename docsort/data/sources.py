"""Where documents come from: one function a kind of source, each giving rows by split.

Knows nothing of cleaning or splitting; a split that the source does not have is simply not there.
"""

import hashlib
from collections.abc import Callable

import pyarrow as pa

from docsort.data.settings import SPLITS, DataSettings
from docsort.data.store import stored
from docsort.data.tables import Columns, Rows, conform, read_table, row_schema


def open_sources(settings: DataSettings) -> dict[str, Rows]:
    """Split name → its rows; "train" is always there. Raises DataError."""
    return OPENERS[settings.source](settings)


def _files(settings: DataSettings) -> dict[str, Rows]:
    columns = Columns(settings.text_column, settings.label_column)
    given = {name: getattr(settings, name) for name in SPLITS}
    return {
        name: read_table(path, columns, settings.label_separator)
        for name, path in given.items()
        if path is not None
    }


def _library_docs(settings: DataSettings) -> dict[str, Rows]:
    # Here, not above: it imports all five libraries, which reading a csv must not wait for.
    from docsort.data.library_docs import build_library_docs

    frame = build_library_docs()
    table = pa.Table.from_pandas(frame[["row", "text", "label"]], preserve_index=False)
    return {"train": _held_rows("library_docs", table)}


def _held_rows(source: str, table: pa.Table) -> Rows:
    """Rows of a table in memory; its SHA-256 is over texts and labels."""
    schema = row_schema({name: name for name in table.column_names if name != "row"}, False)
    table = conform(table, schema)
    digest = hashlib.sha256()
    for text, label in zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True):
        digest.update(f"{len(text)}:{text}{len(label)}:{label}".encode())
    key = ("held", source, digest.hexdigest())
    return Rows(stored(key, schema, [table]), source, digest.hexdigest())


OPENERS: dict[str, Callable[[DataSettings], dict[str, Rows]]] = {
    "table": _files,
    "library_docs": _library_docs,
}
