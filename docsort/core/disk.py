"""Files that are written whole or not at all, and the errors of a disk that can't take them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from docsort.core.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` when the block ends without an error.

    Raises:
        StorageError: the disk is full; what stood at ``path`` before still stands there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with full_disk_as_error(path), partial.open("wb") as stream:
            yield stream
            # else a power cut may leave the new name with nothing in it
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def full_disk_as_error(path: Path) -> Iterator[None]:
    """Turn a full disk, by whatever error a library reports it, into a StorageError."""
    try:
        yield
    except Exception as error:
        if _is_full(error):
            raise StorageError(
                f"{path} could not be written: {error}; make room there, or choose another place"
            ) from error
        raise


def _is_full(error: BaseException | None) -> bool:
    """Safetensors' and torch's writers wrap the system's error in ones of their own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(os.strerror(number) in str(error) for number in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False
