"""Rows on disk: a stream of Arrow batches in, a memory-mapped Dataset out, kept by its key.

Knows nothing of where the rows come from. Files lie in $DOCSORT_CACHE, or beside the `datasets`
library's own cache (HF_DATASETS_CACHE), and may be deleted at any time.
"""

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets import Dataset

from docsort.core.disk import write_whole
from docsort.core.errors import DataError

# Part of every key: raise it when the meaning of stored rows changes.
FORMAT = "3"


def stored(
    key_parts: Iterable[str],
    schema: pa.Schema,
    batches: Iterable[pa.Table],
    skipped: Counter[str] | None = None,
) -> Dataset:
    """Rows on disk. Reading the same file again lets `datasets` find its cached results, too.

    Args:
        key_parts: what decides about the rows.
        schema: of the rows.
        batches: the rows, read only when nothing lies under the key yet.
        skipped: what reading ``batches`` counts; kept beside the rows, and taken from there.
    """
    key = hashlib.sha256("\0".join((FORMAT, *key_parts, str(schema))).encode()).hexdigest()
    path = cache_folder() / f"{key[:32]}.arrow"
    counts = path.with_suffix(".json")
    if not path.exists():
        _write(path, schema, batches, lambda: _keep(counts, skipped))
    elif skipped is not None and counts.exists():
        skipped.update(json.loads(counts.read_text(encoding="utf-8")))
    return Dataset.from_file(str(path))


def column_of(dataset: Dataset, name: str) -> pa.ChunkedArray:
    """One column as it lies, the Dataset's selection followed; no Python object a row."""
    return dataset.select_columns([name]).with_format("arrow")[:][name]


def row_numbers(dataset: Dataset) -> npt.NDArray[np.int64]:
    """(D,) the column ``row``."""
    return np.asarray(column_of(dataset, "row"), dtype=np.int64)


def cache_folder() -> Path:
    """Where rows are kept; made when missing. Raises DataError when that can't be."""
    named = os.environ.get("DOCSORT_CACHE")
    folder = Path(named) if named else Path(datasets.config.HF_DATASETS_CACHE) / "docsort"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder for read tables, {folder}, can't be made ({error.strerror}). "
            "Name another one in the environment variable DOCSORT_CACHE."
        ) from None
    return folder


def _keep(path: Path, skipped: Counter[str] | None) -> None:
    if skipped:
        write_whole(path, json.dumps(skipped))


def _write(
    path: Path, schema: pa.Schema, batches: Iterable[pa.Table], before_end: Callable[[], None]
) -> None:
    """Atomic: two processes may write the same key at once."""
    handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".unfinished")
    os.close(handle)
    try:
        with pa.ipc.new_stream(unfinished, schema) as writer:
            for batch in batches:
                writer.write_table(batch)
        before_end()
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
