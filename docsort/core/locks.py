"""Locks between processes: one holder at a time, and a killed holder's lock ends with it.

Knows nothing of what the holder does.
"""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docsort.core.disk import is_still
from docsort.core.errors import DocsortError

# flock's answers on a file system that has no locks, such as Lustre mounted without them
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextmanager
def exclusive(lock: Path, held: DocsortError) -> Iterator[None]:
    """Hold ``lock``, an empty file that is removed at the end of the block.

    A file system without locks gives a warning, and the block runs unprotected.

    Raises:
        DocsortError: ``held``, while another process holds the file.
        OSError: the file can't be created.
    """
    # a file and not its folder: over NFS only a file that is open for writing can be locked
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # a holder that ends just now removes the file, and its lock no longer counts
        if not (_locked(descriptor, lock) and is_still(lock, descriptor)):
            raise held
        try:
            yield
        finally:
            if is_still(lock, descriptor):
                with suppress(OSError):
                    lock.unlink()
    finally:
        os.close(descriptor)


def _locked(descriptor: int, lock: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(
            f"warning: {lock.parent} is on a file system without locks ({error.strerror}): nothing "
            "stops a second command from writing there at the same time",
            file=sys.stderr,
        )
    return True
