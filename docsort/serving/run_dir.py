"""The run directory: sockets, configuration, logs and unpacked archives of one supervisor.

Only its owner can enter it, which is the wall around TorchServe's addresses. Its folder ``door`` is
all that Nginx needs, and all that another container's Nginx gets to see: its group may read there,
use the sockets, and write in ``door/nginx`` alone. Knows where things are, not what they contain.
"""

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from docsort.core.disk import is_still
from docsort.core.errors import ServingError
from docsort.serving.programs import check_socket_path

_LOCK = "docsort.lock"  # also marks a folder as one that we may clear
_LOCK_WAIT_S = 15.0
_DOOR = "door"


@dataclass(frozen=True)
class RunDir:
    """Places in a run directory that this process holds the lock of.

    ``lock`` is a file descriptor: processes that inherit it keep the directory taken until they
    end, so that a new supervisor cannot meet a killed one's TorchServe there.
    """

    path: Path
    lock: int

    @property
    def door(self) -> Path:
        """What Nginx reads; a mounted volume where Nginx runs in another container."""
        return self.path / _DOOR

    @property
    def nginx(self) -> Path:
        """What Nginx writes: its process id, logs and temporary files."""
        return self.door / "nginx"

    @property
    def nginx_config(self) -> Path:
        return self.door / "nginx.conf"

    @property
    def nginx_log(self) -> Path:
        return self.nginx / "error.log"

    @property
    def inference(self) -> Path:
        return self.door / "inference.sock"

    @property
    def management(self) -> Path:
        return self.path / "management.sock"

    @property
    def metrics(self) -> Path:
        return self.door / "metrics.sock"

    @property
    def gatekeeper(self) -> Path:
        """Where Nginx asks whose key a request bears."""
        return self.door / "gatekeeper.sock"

    @property
    def access_log(self) -> Path:
        """Where Nginx writes a line a request, unless told another place."""
        return self.nginx / "access.log"

    @property
    def tls_certificate(self) -> Path:
        return self.door / "tls.crt"

    @property
    def tls_key(self) -> Path:
        return self.door / "tls.key"

    @property
    def control(self) -> Path:
        """Where the supervisor takes changes of versions; see control.py."""
        return self.path / "control.sock"

    @property
    def front(self) -> Path:
        """Where Nginx tells which configuration it serves by; see front.py."""
        return self.nginx / "front.sock"

    @property
    def sockets(self) -> tuple[Path, ...]:
        torchserve = (self.inference, self.management, self.metrics)
        return (*torchserve, self.gatekeeper, self.control, self.front)

    @property
    def tokens(self) -> Path:
        """Written by TorchServe into its working directory."""
        return self.path / "key_file.json"

    @property
    def temporary(self) -> Path:
        """Unpacked archives and workers' sockets."""
        return self.path / "tmp"

    @property
    def web(self) -> Path:
        """What Nginx serves by itself: error bodies, and what the supervisor says of readiness."""
        return self.door / "web"

    @property
    def errors(self) -> Path:
        return self.web / "errors"

    @property
    def page(self) -> Path:
        return self.web / "page.html"

    @property
    def openapi(self) -> Path:
        return self.web / "openapi.json"

    @property
    def open_gate(self) -> Path:
        """While this file is there, Nginx passes predictions on."""
        return self.web / "open"

    @property
    def closed(self) -> Path:
        """For a prediction's path: while this folder has a file of that path and ``~``, 404."""
        return self.web / "closed"

    def unloaded(self, name: str, version: str) -> Path:
        """While this file is there, 503 for those who name the version, whatever else is closed."""
        return self.closed / "predictions" / name / f"{version}+"

    @property
    def ready(self) -> Path:
        """While this file is there, it is what /readyz answers."""
        return self.web / "readyz.json"

    def make_folders(self) -> None:
        """The set-group-id bit gives what is made in the door to the door's group."""
        self.temporary.mkdir(parents=True)
        for folder, mode in ((self.door, 0o2750), (self.nginx, 0o2770)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        self.closed.mkdir(parents=True)

    def clear_torchserve(self) -> None:
        """Remove what one TorchServe leaves behind; its sockets would hinder the next one."""
        for place in (self.temporary, self.tokens, self.inference, self.management, self.metrics):
            _remove(place)


@contextmanager
def held_run_dir(path: Path, keep: bool) -> Iterator[RunDir]:
    """Make or clear the directory and hold it; remove it at the end unless ``keep``.

    Raises:
        ServingError: it is another's, is in use, or holds files that no supervisor made.
    """
    lock = _locked(path)
    spared = _spared(path)
    try:
        _clear(path)
        run_dir = RunDir(path, lock)
        for place in run_dir.sockets:
            check_socket_path(place)
        # TorchServe numbers its workers' sockets from 9000 up.
        check_socket_path(run_dir.temporary / ".ts.sock.99999")
        run_dir.make_folders()
        try:
            yield run_dir
        except BaseException:
            keep = True  # the logs say why
            raise
        finally:
            run_dir.clear_torchserve()
            _remove(run_dir.tls_key)
            if not keep:
                _remove_whole(path)
    finally:
        os.close(spared)
        os.close(lock)


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass
    except OSError as error:
        raise ServingError(f"--run-dir {path} cannot be made: {error.strerror}") from error
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ServingError(
            f"--run-dir {path} is not a folder of yours; remove it or choose another"
        )
    path.chmod(0o700)
    content = {entry.name for entry in path.iterdir()}
    if content - {_DOOR} and _LOCK not in content:
        raise ServingError(
            f"--run-dir {path} holds files that docsort did not make; choose an empty folder"
        )


def _locked(path: Path) -> int:
    deadline = time.monotonic() + _LOCK_WAIT_S
    while (lock := _try_to_lock(path)) is None:
        # A killed supervisor's TorchServe takes a moment to end.
        if time.monotonic() > deadline:
            raise ServingError(
                f"another docsort serves from --run-dir {path}; stop it or choose another"
            )
        time.sleep(0.1)
    return lock


def _try_to_lock(path: Path) -> int | None:
    """Make the directory unless it is there, and lock it; None while another has it.

    Whoever has it may remove it at any moment of this.
    """
    file = path / _LOCK
    try:
        _make(path)
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_still(file, lock):
            return lock
    os.close(lock)
    return None


def _spared(path: Path) -> int:
    """A lock of the folder itself, by which systemd-tmpfiles leaves all that is in it alone.

    In /tmp it removes what nobody has touched for ten days; see "Age" in tmpfiles.d(5).
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):  # another has locked it, or its file system locks no folders
        fcntl.flock(folder, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return folder


def _remove_whole(path: Path) -> None:
    """The lock last, which tells those who wait for it that the rest is ours."""
    with suppress(OSError):
        for entry in path.iterdir():
            if entry.name != _LOCK:
                _remove(entry)
    shutil.rmtree(path, ignore_errors=True)


def _clear(path: Path) -> None:
    """Remove all but the lock, and but what a running Nginx of another container writes or answers.

    It goes on by the configuration that it has, and what that names is replaced by ``write_web``.
    """
    run_dir = RunDir(path, lock=-1)
    answers = {run_dir.errors, run_dir.page, run_dir.openapi}
    kept = {path / _LOCK, run_dir.door, run_dir.nginx, run_dir.web, *answers}
    for folder in (path, run_dir.door, run_dir.web):
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry not in kept:
                _remove(entry)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
