"""Files that are written whole or not at all, and the errors of a disk that can't take them."""

import errno
import glob
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from docsort.core.errors import StorageError

PARTIAL = ".partial"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_TEMPORARY_FOLDER = "No usable temporary directory"
_NO_HOME = "home directory"
_ELSEWHERE = "Choose another place"
_ALLOW = "Give user {user} access to it, or choose another place"
# what a user can do about errors of the system that no bug causes
_NEXT_STEPS = {
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
    errno.EROFS: _ELSEWHERE,
    errno.ENOTDIR: "A file is where a folder is needed: choose another place",
    errno.EEXIST: "A file is where a folder is needed: choose another place",
    errno.EISDIR: "A folder is where a file is needed: name a file",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ELOOP: "A link leads back to itself: choose another place",
    errno.EIO: "The disk, or the network that it is on, has a fault",
    errno.ESTALE: "The network that it is on has a fault",
    errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    errno.ENFILE: "The machine has too many files open",
    **dict.fromkeys(_FULL, "Make room there, or choose another place"),
}


@contextmanager
def whole_file(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` when the block ends without an error.

    A reader, and a machine that loses power, finds the old file or the new one; several threads and
    processes may write it at once, and the last one stays. ``mode``: the file's permissions, whose
    default is the umask's.

    Raises:
        StorageError: the disk is full; what stood at ``path`` before still stands there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with full_disk_as_error(path):
            descriptor = os.open(partial, flags, 0o666 if mode is None else mode)
            with os.fdopen(descriptor, "wb") as stream:
                if mode is not None:
                    os.fchmod(descriptor, mode)  # whatever the umask says
                yield stream
            put_in_place(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """As ``whole_file``, for a writer that takes a path and may set permissions of its own.

    safetensors 0.8 gives its files mode 0600. The file at ``path`` has the umask's mode.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with full_disk_as_error(path):
            partial.touch()
            mode = stat.S_IMODE(partial.stat().st_mode)
            yield partial
            partial.chmod(mode)
            put_in_place(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def put_in_place(finished: Path, path: Path) -> None:
    """Rename a file that is finished, so that a power cut leaves no name with nothing in it."""
    _sync(finished)
    os.replace(finished, path)
    try:
        _sync(path.parent)
    except OSError as error:  # some shared file systems don't do that to folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def remove_partials(path: Path) -> None:
    """Remove what killed processes left of a file or folder; only where nobody is writing it."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}"):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def is_still(path: Path, descriptor: int) -> bool:
    """Whether an open file is the one that stands at ``path``: whose lock counts, then.

    Its last holder may have removed it, or put another in its place, before the lock was ours.
    """
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def write_whole(path: Path, content: str | bytes, mode: int | None = None) -> None:
    """``whole_file`` for content that is at hand. Raises StorageError."""
    with whole_file(path, mode) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def write_if_changed(path: Path, content: str) -> None:
    """The same, but for a file that says so already: a full disk takes no second copy of it."""
    if not path.exists() or path.read_bytes() != content.encode():
        write_whole(path, content, 0o644)


@contextmanager
def full_disk_as_error(path: Path) -> Iterator[None]:
    """Turn a full disk, by whatever error a library reports it, into a StorageError."""
    try:
        yield
    except StorageError:
        raise  # it names the very file
    except Exception as error:
        if _is_full(error):
            raise StorageError(
                f"{path} could not be written: {error}; make room there, or choose another place"
            ) from error
        raise


def check_readable(file: Path) -> None:
    """Raise PermissionError with the file's name; libraries' own errors can hide both."""
    with file.open("rb"):
        pass


def environment_error(error: BaseException | None) -> StorageError | None:
    """What to tell a user of a file system that refuses something. None: an error of another kind.

    Args:
        error: as a command raised it, perhaps from the system's error.
    """
    while error is not None:
        if isinstance(error, OSError):
            if str(error.strerror).startswith(_NO_TEMPORARY_FOLDER):
                return StorageError(
                    "no folder for temporary files can be written; name one in the environment "
                    "variable TMPDIR, or make room in it"
                )
            if error.filename is None and error.errno in _FULL:
                return StorageError(f"{error.strerror}: make room on the disk that is written to")
            if error.filename is not None and error.errno in _NEXT_STEPS:
                name = _named_by_user(Path(os.fsdecode(error.filename)))
                step = _NEXT_STEPS[error.errno].format(user=os.geteuid())
                return StorageError(f"{name}: {error.strerror}. {step}")
        if isinstance(error, RuntimeError) and _NO_HOME in str(error):
            return StorageError(
                "this user has no home folder; name one in the environment variable HOME"
            )
        error = error.__cause__
    return None


def _named_by_user(path: Path) -> Path:
    """The folder in the place of a temporary file in it, which the user has never heard of."""
    is_temporary = path.name.startswith((".", "tmp")) and not os.path.lexists(path)
    return path.parent if is_temporary else path


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_full(error: BaseException | None) -> bool:
    """Safetensors' and torch's writers wrap the system's error in ones of their own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(os.strerror(number) in str(error) for number in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False
