"""Where documents come from: one function a kind of source, each giving rows by split.

Knows nothing of cleaning or splitting; a split that the source does not have is simply not there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from docsort.data.folders import read_folder
from docsort.data.hub import read_hub
from docsort.data.newsgroups import read_newsgroups
from docsort.data.rows import TEXT_AND_LABEL, Columns, Rows, rows_from
from docsort.data.settings import SPLITS, DataSettings
from docsort.data.tables import read_table


def open_sources(settings: DataSettings) -> dict[str, Rows]:
    """Split name → its rows; "train" is always there. Raises DataError."""
    return OPENERS[settings.source](settings)


def source_hashes(sources: Mapping[str, Rows]) -> dict[str, str]:
    """ "split:file" → the SHA-256 of its content."""
    return {f"{split}:{rows.source}": rows.sha256 for split, rows in sources.items()}


def _given(settings: DataSettings) -> dict[str, str]:
    """What the settings name for each split: a file, a folder, or a split of the data set."""
    named = {split: getattr(settings, split) for split in SPLITS}
    return {split: name for split, name in named.items() if name is not None}


def _columns(settings: DataSettings, split: str) -> Columns:
    """What says how to split is only read from what is split, but for groups, which may cross."""
    columns = replace(settings.columns, group=settings.group_column)
    if split != "train":
        return replace(columns, group_optional=True)
    return replace(columns, split=settings.split_column, time=settings.time_column)


def _tables(settings: DataSettings) -> dict[str, Rows]:
    return {
        split: read_table(
            path, _columns(settings, split), settings.label_separator, settings.table_format
        )
        for split, path in _given(settings).items()
    }


def _folders(settings: DataSettings) -> dict[str, Rows]:
    return {
        split: read_folder(Path(path), settings.label_separator)
        for split, path in _given(settings).items()
    }


def _hub(settings: DataSettings) -> dict[str, Rows]:
    assert settings.dataset is not None, "DataSettings sees to it"
    columns = {split: _columns(settings, split) for split in _given(settings)}
    return read_hub(
        settings.dataset,
        settings.dataset_config,
        _given(settings),
        columns,
        settings.label_separator,
    )


def _newsgroups(settings: DataSettings) -> dict[str, Rows]:
    return read_newsgroups()


def _library_docs(settings: DataSettings) -> dict[str, Rows]:
    # Here, not above: it imports all five libraries, which reading a csv must not wait for.
    from docsort.data.library_docs import build_library_docs

    table = pa.Table.from_pandas(build_library_docs()[["text", "label"]], preserve_index=False)
    return {"train": rows_from("library_docs", TEXT_AND_LABEL, lambda: [table])}


OPENERS: dict[str, Callable[[DataSettings], dict[str, Rows]]] = {
    "table": _tables,
    "folder": _folders,
    "hub": _hub,
    "newsgroups": _newsgroups,
    "library_docs": _library_docs,
}
