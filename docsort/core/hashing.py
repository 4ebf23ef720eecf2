"""A file's SHA-256, as ``sha256sum`` prints it. Knows nothing of what files hold."""

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """64 hex digits of the file's bytes; reads in blocks, so any size will do."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
