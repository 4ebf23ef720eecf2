"""The model store: a folder of archives. Knows which there are, and which version is the newest."""

import re
from collections.abc import Sequence
from pathlib import Path

from docsort.core.errors import ArchiveError
from docsort.serving.mar import ArchiveInfo, read_archive


def archives_in(store: Path) -> list[ArchiveInfo]:
    """All archives, by name and then from the oldest version to the newest. Raises ArchiveError."""
    found = [read_archive(path) for path in sorted(store.glob("*.mar"))]
    return sorted(found, key=lambda info: (info.name, version_order(info.version)))


def newest_of_each(archives: Sequence[ArchiveInfo]) -> dict[str, ArchiveInfo]:
    """The highest version of every name."""
    newest: dict[str, ArchiveInfo] = {}
    for info in sorted(archives, key=lambda info: version_order(info.version)):
        newest[info.name] = info
    return newest


def version_order(version: str) -> list[tuple[bool, int, str]]:
    """A sort key in which 1.10 comes after 1.9, and 2.0 after 2.0-rc1."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    key = [(part.isdigit(), int(part) if part.isdigit() else 0, part.lower()) for part in parts]
    return [*key, (True, -1, "")]  # an end: over letters, under any further number


def shared_store(archives: Sequence[Path]) -> Path:
    """The one folder that all of these archives lie in; TorchServe reads from a single store."""
    folders = {path.resolve().parent for path in archives}
    if len(folders) != 1:
        raise ArchiveError(
            "the archives lie in different folders, and TorchServe reads from one store; copy them "
            "into one folder"
        )
    return folders.pop()
