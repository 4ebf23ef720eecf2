"""What killed processes leave in a folder: whoever works in a file or folder holds its lock, so
what nobody holds can be removed. Knows nothing of what they contain.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Keep a file or folder from being cleared by others while the block runs.

    Raises OSError where another holds it.
    """
    # over NFS, only what is open for writing can be locked; a folder can't be opened for that
    access = os.O_RDONLY if place.is_dir() else os.O_RDWR
    descriptor = os.open(place, access | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def clear(folder: Path, prefix: str) -> None:
    """Remove what has such a name and is held by nobody."""
    for left in folder.glob(f"{prefix}*"):
        with suppress(OSError), held(left):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
