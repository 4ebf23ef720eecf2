"""Rows on disk: a stream of Arrow batches in, a memory-mapped Dataset out, kept by its key.

Knows nothing of where the rows come from. Files lie in $DOCSORT_CACHE, or beside the `datasets`
library's own cache (HF_DATASETS_CACHE), and may be deleted at any time.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets import Dataset

from docsort.core.errors import DataError

# Part of every key: raise it when the meaning of stored rows changes.
FORMAT = "2"


def stored(key_parts: Iterable[str], schema: pa.Schema, batches: Iterable[pa.Table]) -> Dataset:
    """The rows of ``batches``, which are read only when nothing lies under the key yet.

    Reading again from the same file is also what lets `datasets` find its cached results.
    """
    key = hashlib.sha256("\0".join((FORMAT, *key_parts, str(schema))).encode()).hexdigest()
    path = cache_folder() / f"{key[:32]}.arrow"
    if not path.exists():
        _write(path, schema, batches)
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


def _write(path: Path, schema: pa.Schema, batches: Iterable[pa.Table]) -> None:
    """Whole or not at all: two processes may write the same key at once."""
    handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".unfinished")
    os.close(handle)
    try:
        with pa.ipc.new_stream(unfinished, schema) as writer:
            for batch in batches:
                writer.write_table(batch)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
