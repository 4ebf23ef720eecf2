"""A folder per label, a file per document, to rows.

``docs/cats/1.txt`` and ``docs/cats/2020/2.txt`` are two documents with the label "cats". Rows are
numbered in the order of the paths. Hidden files and folders, and files beside the folders of the
labels, are passed over and counted. Anything else that is no file of text is refused.
"""

import errno
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from docsort.core.errors import DataError
from docsort.data.naming import named
from docsort.data.rows import BATCH_ROWS, TEXT_AND_LABEL, Rows, rows_from
from docsort.data.settings import SPLIT_WORDS, SPLITS


def read_folder(folder: Path, separator: str | None = None) -> Rows:
    """Rows of a folder; ``separator`` stands between the labels in one folder's name.

    Raises DataError: no such folder, no folders of labels in it, or what is no file of text.
    """
    folder = folder.expanduser().absolute()
    if not _is_there(folder) or not stat.S_ISDIR(_mode(folder)):
        raise DataError(
            f"There is no folder {_shown(folder)}. Check the path, or use data=csv for a file."
        )
    skipped: Counter[str] = Counter()
    entries = _visible(folder, skipped)
    labels = [path for path in entries if stat.S_ISDIR(_mode(path))]
    if stray := len(entries) - len(labels):
        skipped["a file beside the folders of the labels"] = stray
    _refuse_splits(folder, labels)
    files = {label: list(_files(label, skipped, (folder.resolve(),))) for label in labels}
    labelled = [(file, _name(label)) for label in labels for file in files[label]]
    if not labelled:
        raise DataError(
            f"{_shown(folder)} holds no documents: it needs a folder for each label with text "
            "files in it, as in LABEL/1.txt."
        )
    if empty := [label.name for label, found in files.items() if not found]:
        skipped["a label's folder without a file"] = len(empty)
    source = _shown(folder.name)
    rows = rows_from(source, TEXT_AND_LABEL, lambda: _tables(labelled), separator=separator)
    notes = (f"{source}: folders without a file: {named(empty)}.",) if empty else ()
    return replace(rows, skipped=dict(skipped), notes=(*rows.notes, *notes))


def _refuse_splits(folder: Path, labels: list[Path]) -> None:
    """Raises DataError where the folders are splits, which hold the folders of the labels."""
    splits = {
        SPLIT_WORDS[path.name.lower()]: path
        for path in labels
        if path.name.lower() in SPLIT_WORDS
        and any(stat.S_ISDIR(_mode(inner)) for inner in _visible(path, Counter()))
    }
    if len(splits) == len(labels) > 0 or ("train" in splits and len(splits) > 1):
        given = " ".join(
            f"data.{split}={_shown(splits[split])}" for split in SPLITS if split in splits
        )
        raise DataError(
            f"{_shown(folder)} has folders that are splits, not labels: "
            f"{named(path.name for path in splits.values())} hold folders of their own. Give the "
            f"splits one by one: {given}"
        )


def _visible(folder: Path, skipped: Counter[str]) -> list[Path]:
    """What is in the folder, in order; hidden files and folders are counted as skipped."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{_shown(folder)} can't be read: {error.strerror}.") from None
    visible = [path for path in entries if not path.name.startswith(".")]
    if hidden := len(entries) - len(visible):
        skipped["a hidden file or folder"] += hidden
    return visible


def _files(folder: Path, skipped: Counter[str], above: tuple[Path, ...]) -> Iterator[Path]:
    """``above``: the folders that hold this one, links followed."""
    real = folder.resolve()
    if real in above:
        raise DataError(
            f"{_shown(folder)} is a link to a folder that holds it. Remove it: documents would be "
            "read without end."
        )
    for path in _visible(folder, skipped):
        mode = _mode(path)
        if stat.S_ISDIR(mode):
            yield from _files(path, skipped, (*above, real))
        elif stat.S_ISREG(mode):
            yield path
        else:
            kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
            raise DataError(f"{_shown(path)} is a {kind}, not a file of text. Move it away.")


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _mode(path: Path) -> int:
    """What a path leads to. Raises DataError where that is nothing."""
    try:
        return path.stat().st_mode
    except OSError as error:
        why = {
            errno.ENOENT: "is a link to nothing",
            errno.ELOOP: "is a link that leads back to itself",
        }.get(error.errno or 0, f"can't be read: {error.strerror}")
        raise DataError(f"{_shown(path)} {why}. Move it away, or mend it.") from None


def _name(label: Path) -> str:
    """Raises DataError for a name that is not UTF-8, which no file of labels could hold."""
    try:
        label.name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"The name of the folder {_shown(label)} is not UTF-8. Rename it: it is a label."
        ) from None
    return label.name


def _shown(path: Path | str) -> str:
    """A path in a message; bytes that are not UTF-8 are escaped."""
    return str(path).encode(errors="backslashreplace").decode()


def _tables(labelled: list[tuple[Path, str]]) -> Iterator[pa.Table]:
    for start in range(0, len(labelled), BATCH_ROWS):
        files, labels = zip(*labelled[start : start + BATCH_ROWS], strict=True)
        yield pa.table({"text": [_text(file) for file in files], "label": list(labels)})


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{_shown(file)} is not UTF-8 (byte {error.start}). Save it as UTF-8 text, or move it "
            "away."
        ) from None
    except OSError as error:
        raise DataError(f"{_shown(file)} can't be read: {error.strerror}.") from None
