"""One file, replaced whole or not at all. Knows nothing of what stands in it."""

import os
import tempfile
from pathlib import Path

from docsort.core.disk import full_disk_as_error


def write_atomically(file: Path, content: str | bytes, mode: int = 0o644) -> None:
    """A reader, and a machine that loses power, sees the old content or the new.

    Raises StorageError where the disk is full; the old content stays.
    """
    with full_disk_as_error(file):
        descriptor, partial = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(partial, mode)
            os.replace(partial, file)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise


def write_if_changed(file: Path, content: str) -> None:
    """The same, but for a file that says so already: a full disk takes no second copy of it."""
    if not file.exists() or file.read_text(encoding="utf-8") != content:
        write_atomically(file, content)
