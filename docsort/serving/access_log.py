"""Keeps Nginx's access log under a size, with one older file. Knows nothing of what a line says."""

import stat
from contextlib import suppress
from pathlib import Path


def put_aside_if_full(log: Path, max_bytes: int) -> bool:
    """Rename a log of ``max_bytes`` or more to ``LOG.old``, in place of the one before.

    Whether it was done: whoever writes the log must open it anew. With 0 it never is. Links and
    devices, such as /dev/stdout, are left to whoever set them up.
    """
    with suppress(OSError):  # there is none yet; or nothing may be renamed there, which ends nobody
        found = log.lstat()
        if max_bytes and stat.S_ISREG(found.st_mode) and found.st_size >= max_bytes:
            log.replace(log.with_name(f"{log.name}.old"))
            return True
    return False
