"""A folder per label, a file per document, to rows. Knows nothing of splits.

``docs/cats/1.txt`` and ``docs/cats/2020/2.txt`` are two documents with the label "cats". Rows are
numbered in the order of the paths. Hidden files and folders are passed over.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from docsort.core.errors import DataError
from docsort.data.rows import BATCH_ROWS, TEXT_AND_LABEL, Rows, rows_from


def read_folder(folder: Path) -> Rows:
    """Raises DataError: no such folder, no folders of labels in it, a file that isn't UTF-8."""
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}. Check the path, or use data=csv for a file.")
    labelled = [(file, label.name) for label in _visible(folder) for file in _files(label)]
    if not labelled:
        raise DataError(
            f"{folder} holds no documents: it needs a folder for each label with text files in it, "
            "as in LABEL/1.txt."
        )
    return rows_from(folder.name, TEXT_AND_LABEL, lambda: _tables(labelled))


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _files(label: Path) -> Iterator[Path]:
    if not label.is_dir():
        return
    for path in _visible(label):
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _tables(labelled: list[tuple[Path, str]]) -> Iterator[pa.Table]:
    for start in range(0, len(labelled), BATCH_ROWS):
        files, labels = zip(*labelled[start : start + BATCH_ROWS], strict=True)
        yield pa.table({"text": [_text(file) for file in files], "label": list(labels)})


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8 (byte {error.start}). Save it as UTF-8 text, or move it away."
        ) from None
