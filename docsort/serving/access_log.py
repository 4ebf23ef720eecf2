"""Nginx's access log: that it is a file which can be written, and its size, with one older file.

Knows nothing of what a line says.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from docsort.core.errors import ServingError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC


def check_access_log(log: Path) -> None:
    """Raise ServingError unless ``log`` is a file that can be written, or /dev/null.

    Nginx's own standard output is its error log, which has no limit. A pipe that nobody reads
    would hold up every request.
    """
    try:
        descriptor = os.open(log, _FLAGS, 0o644)
    except OSError as error:
        why = "it is a pipe or a socket" if error.errno == errno.ENXIO else error.strerror
        raise ServingError(
            f"--access-log {log} cannot be written ({why}); give a file in a folder that this user "
            "may write"
        ) from error
    try:
        mode, is_null = os.fstat(descriptor).st_mode, log.samefile(os.devnull)
    finally:
        os.close(descriptor)
    if not is_null and (not stat.S_ISREG(mode) or _is_stream(log)):
        raise ServingError(
            f"--access-log {log} is not accepted; it must be a file, or {os.devnull}. To see the "
            "lines as they come, give a file and run `tail -F FILE`"
        )


def _is_stream(log: Path) -> bool:
    """Whether it leads to an open file of this process, such as /dev/stdout."""
    while True:
        log = log.parent.resolve() / log.name
        if log.is_relative_to("/proc"):
            return True
        if not log.is_symlink():
            return False
        log = log.parent / log.readlink()


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
