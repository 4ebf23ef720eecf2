"""API keys: a file of names and hashes, and whether a key is one of them. Knows no HTTP.

A line is ``NAME SHA256-OF-THE-KEY``; ``#`` begins a comment. Keys are 256 random bits of our own
making, so that a plain SHA-256 cannot be guessed back; passwords would need a slow hash.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from docsort.core.disk import full_disk_as_error, is_still, whole_file
from docsort.core.errors import ConfigError
from docsort.serving.mar import NAME, NAME_RULE

_HEAD = "# docsort's API keys: names and SHA-256 of keys"
_PREFIX = "docsort_"  # so that scanners for leaked secrets can know one
_SHA256 = re.compile(r"[0-9a-f]{64}")


def hash_of(key: str) -> str:
    """What the file holds of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def add_key(file: Path, name: str) -> str:
    """Make a key, write its hash, return the key, which nothing remembers. Raises ConfigError."""
    if not NAME.match(name):
        raise ConfigError(f"the key's name {name!r} is not accepted; it must be {NAME_RULE}")
    file = _target(file)
    _make(file)
    with _locked(file):
        if name in read_keys(file):
            raise ConfigError(
                f"{file} has a key named {name}; remove it first, or choose another name"
            )
        key = _PREFIX + secrets.token_urlsafe(32)
        lines = file.read_text(encoding="utf-8").splitlines() or [_HEAD]
        _write(file, [*lines, f"{name} {hash_of(key)}"])
    return key


def remove_key(file: Path, name: str) -> None:
    """Running servers refuse the key from their next request on. Raises ConfigError."""
    file = _target(file)
    with _locked(file):
        hashes = read_keys(file)
        if name not in hashes:
            said = ", ".join(hashes) or "none"
            raise ConfigError(f"{file} has no key named {name}; it has {said}")
        lines = file.read_text(encoding="utf-8").splitlines()
        _write(file, [line for line in lines if line.partition("#")[0].split()[:1] != [name]])


def read_keys(file: Path) -> dict[str, str]:
    """Hashes by name. Raises ConfigError, which names the line but never what stands in it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        content = line.partition("#")[0].split()
        if not content:
            continue
        if len(content) != 2 or not NAME.match(content[0]) or not _SHA256.fullmatch(content[1]):
            raise ConfigError(f"{file}, line {number}, is not NAME and a SHA-256 in hex")
        if content[0] in hashes:
            raise ConfigError(f"{file}, line {number}, names a key that stands above already")
        hashes[content[0]] = content[1]
    return hashes


@dataclass
class KeyRing:
    """The file's keys as it is now: read again whenever it has changed."""

    file: Path
    _read: tuple[int, int, int] | None = None  # of which state of the file the names are
    _names: dict[str, str] = field(default_factory=dict)  # by hash

    def name_of(self, key: str) -> str | None:
        """Whose key this is; None if nobody's. Raises ConfigError: then nobody is let in."""
        self._follow()
        presented = hash_of(key)
        # each is compared, in the same time whether or not it is the one
        found = [n for h, n in self._names.items() if hmac.compare_digest(h, presented)]
        return found[0] if found else None

    def _follow(self) -> None:
        try:
            said = self.file.stat()
        except OSError as error:
            raise ConfigError(f"the API keys {self.file} cannot be read ({error})") from error
        state = (said.st_mtime_ns, said.st_size, said.st_ino)
        if state != self._read:
            self._names = {kept: name for name, kept in read_keys(self.file).items()}
            self._read = state


def _target(file: Path) -> Path:
    """What a symbolic link leads to, so that the file which servers read is the one replaced."""
    return Path(os.path.realpath(file))


def _make(file: Path) -> None:
    """An empty file that all may read, unless there is one. Raises ConfigError."""
    with _unwritable_as_error(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with full_disk_as_error(file), suppress(FileExistsError), file.open("xb") as made:
            os.fchmod(made.fileno(), 0o644)  # whatever the umask says


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let nobody else change the file while the block runs. Raises ConfigError.

    Each change puts another file in its place.
    """
    while True:
        try:
            stream = _open(file)
        except FileNotFoundError as error:
            raise _unreadable(file, error) from error
        except OSError as error:
            raise _unwritable(file, error) from error
        with stream:
            with _unwritable_as_error(file):
                fcntl.flock(stream, fcntl.LOCK_EX)
            if is_still(file, stream.fileno()):
                yield
                return


def _open(file: Path) -> BinaryIO:
    """For writing, since over NFS only that can be locked, unless the file is to be read alone."""
    try:
        return file.open("r+b")
    except PermissionError:
        return file.open("rb")


def _write(file: Path, lines: list[str]) -> None:
    """Whoever could read the file before still can: a server that runs as another user."""
    was = file.stat()
    with _unwritable_as_error(file), whole_file(file, stat.S_IMODE(was.st_mode)) as stream:
        try:
            os.fchown(stream.fileno(), was.st_uid, was.st_gid)
        except PermissionError as error:
            raise ConfigError(
                f"{file} would change its owner, uid {was.st_uid} and gid {was.st_gid}; run this "
                "as that user, or as root"
            ) from error
        stream.write("".join(f"{line}\n" for line in lines).encode())


@contextmanager
def _unwritable_as_error(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the API keys {file} cannot be written ({error}); choose another --file, or run this "
        "as a user who may write there"
    )


def _unreadable(file: Path, error: Exception) -> ConfigError:
    return ConfigError(
        f"the API keys {file} cannot be read ({error}); `docsort keys add NAME --file {file}` "
        "makes the file"
    )
