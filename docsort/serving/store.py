"""The model store: a folder of archives. Knows which there are, which version is the newest, and
how an archive gets in: whole, checked, and never over another.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from docsort.core.disk import full_disk_as_error
from docsort.core.errors import ArchiveError
from docsort.core.hashing import file_sha256
from docsort.serving.mar import ArchiveInfo, check_content, read_archive

# An archive that is not proved yet. In the store itself, and a .mar, or TorchServe would not take
# it; no version's file begins with a dot.
_STAGING = ".registering-"
# what link(2) says where a file system has none
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def archives_in(store: Path) -> list[ArchiveInfo]:
    """All archives, by name and then from the oldest version to the newest. Raises ArchiveError."""
    # not glob, which passes over a folder that this user may not read
    entries = store.iterdir() if store.is_dir() else ()
    files = sorted(e for e in entries if e.match("*.mar") and not e.name.startswith("."))
    found = [read_archive(path) for path in files]
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


def file_of(store: Path, name: str, version: str) -> Path:
    """Where the store has the archive of a version."""
    return store / f"{name}-{version}.mar"


@contextmanager
def staged(
    file: Path, store: Path, max_bytes: int, sha256: str | None = None
) -> Iterator[ArchiveInfo]:
    """A checked copy of an archive, in the store while the block runs.

    Raises:
        ArchiveError: it is not one that `docsort archive` wrote, has over ``max_bytes`` bytes, has
            another SHA-256 than ``sha256``, or the store has another of that name and version.
    """
    with _staging_file(store) as copy:
        found = _copy(file, copy, max_bytes)
        if sha256 is not None and found != sha256.lower():
            raise ArchiveError(
                f"{file} has the SHA-256 {found}, and not {sha256}, which was asked for; copy or "
                "build it again"
            )
        info = read_archive(copy)
        check_content(copy)
        is_published(copy, file_of(store, info.name, info.version))
        yield info


def clear_staging(store: Path) -> None:
    """Remove what a killed supervisor left of its registrations; a read-only store keeps it."""
    for left in store.glob(f"{_STAGING}*"):
        with suppress(OSError):
            left.unlink()


def is_published(candidate: Path, target: Path) -> bool:
    """Whether the store has this archive already.

    Raises ArchiveError if it has another, or one that cannot be read.
    """
    if not target.exists():
        return False
    try:
        published = file_sha256(target)
    except OSError as error:
        raise ArchiveError(
            f"{target} is there already and cannot be read: {error.strerror}; let uid "
            f"{os.getuid()} read it, or choose another --version"
        ) from error
    if file_sha256(candidate) != published:
        raise ArchiveError(
            f"{target} is there already and holds something else; a version never changes once it "
            "is published: choose another --version"
        )
    return True


def publish(candidate: Path, target: Path) -> bool:
    """Whole or not at all, and never over another archive; whether it was not there before.

    Raises ArchiveError or StorageError.
    """
    with full_disk_as_error(target), candidate.open("rb") as stream:
        os.fchmod(stream.fileno(), 0o644)  # as a fetched one, whatever the umask says
        os.fsync(stream.fileno())
    try:
        with full_disk_as_error(target):
            os.link(candidate, target)
    except FileExistsError:
        return not is_published(candidate, target)
    except OSError as error:
        why = f"{target} cannot be made: {error.strerror}"
        if error.errno in _NO_HARD_LINKS:
            why += "; an archive gets its name by a hard link: choose a --store where there are any"
        raise ArchiveError(why) from error
    return True


@contextmanager
def _staging_file(store: Path) -> Iterator[Path]:
    try:
        descriptor, name = tempfile.mkstemp(".mar", _STAGING, store)
    except OSError as error:
        raise ArchiveError(f"nothing can be written into {store}: {error.strerror}") from error
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink()


def _copy(file: Path, copy: Path, max_bytes: int) -> str:
    """Copy a file unless it is larger than is accepted; its SHA-256."""
    if not file.is_file():
        raise ArchiveError(f"there is no archive {file}")
    if (size := file.stat().st_size) > max_bytes:
        raise ArchiveError(
            f"{file} has {size} bytes, and --max-archive-bytes of `docsort serve` accepts "
            f"{max_bytes}"
        )
    try:
        shutil.copyfile(file, copy)
    except OSError as error:
        raise ArchiveError(f"{file} cannot be copied to {copy}: {error.strerror}") from error
    return file_sha256(copy)
