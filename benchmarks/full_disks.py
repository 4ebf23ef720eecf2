"""A server whose disks can be filled: one each for its log, its run directory, TMPDIR, its store.

The disks are small ones in memory, which only root may mount. Its log is what it prints; the run
directory has Nginx's and TorchServe's logs, and what is unpacked.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fault_trial import Trial, of_version
from benchmarks.tiny_archives import TinyArchives
from docsort.core.errors import ServingError
from docsort.serving.control_client import ask
from tests.serving.conftest import start_server

_DISK_BYTES = 16 << 20
_FILLER = "filler"


@dataclass(frozen=True)
class SmallDisks:
    """Where each is mounted."""

    log: Path

    @property
    def run(self) -> Path:
        return self.log / "run"

    @property
    def temporary(self) -> Path:
        return self.log / "tmp"

    @property
    def store(self) -> Path:
        return self.log / "store"

    @property
    def but_the_store(self) -> tuple[Path, ...]:
        return (self.log, self.run, self.temporary)


@contextmanager
def small_disks(folder: Path) -> Iterator[SmallDisks]:
    """All four, mounted while the block runs. Raises CalledProcessError where that is forbidden."""
    disks = SmallDisks(folder)
    with ExitStack() as mounted:
        for place in (disks.log, disks.run, disks.temporary, disks.store):
            place.mkdir(exist_ok=True)
            options = f"size={_DISK_BYTES},mode=0755"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
            mounted.callback(subprocess.run, ["umount", "--lazy", place], check=True)
        yield disks


@contextmanager
def full(*disks: Path) -> Iterator[None]:
    """Not a byte more fits on them while the block runs."""
    try:
        for disk in disks:
            _fill(disk)
        yield
    finally:
        for disk in disks:
            (disk / _FILLER).unlink(missing_ok=True)


def _fill(disk: Path) -> None:
    with (disk / _FILLER).open("wb", buffering=0) as filler:
        for size in (1 << 16, 1):
            try:
                while filler.write(b"x" * size):
                    pass
            except OSError:
                continue
    assert shutil.disk_usage(disk).free == 0


@dataclass
class FullDisks:
    """What is tried on a server with tiny 1.0 by default, 2.0, and 3.0 not yet registered.

    ``said`` is what was answered to each change that was asked for while there was no room.
    """

    trial: Trial
    disks: SmallDisks
    spare: Path
    said: dict[str, str]

    def ask_for_room_in_the_run_directory(self) -> None:
        """To unpack an archive, and to configure Nginx."""
        self._ask("register, run directory full", file=str(self.spare), sha256=None)
        self._ask("canary, run directory full", name="tiny", version="2.0", percent=10)

    def ask_for_room_in_the_store(self) -> None:
        """To copy an archive, and to write down what is wanted."""
        self._ask("register, store full", file=str(self.spare), sha256=None)
        self._ask("promote, store full", name="tiny", version="2.0")

    def _ask(self, what: str, **arguments: object) -> None:
        try:
            self.said[what] = ask(self.trial.control, what.partition(",")[0], **arguments)
        except ServingError as error:
            self.said[what] = f"refused: {error}"


@contextmanager
def on_small_disks(
    folder: Path, archives: TinyArchives, num_clients: int, *options: str
) -> Iterator[FullDisks]:
    """The server, ready and with both versions; ``options`` are its own. ``folder`` is new."""
    folder.mkdir()
    spare = of_version(archives.first, archives.store.parent / "spare.mar", {})
    with small_disks(folder) as disks:
        shutil.copy(archives.first, disks.store)
        store = ["--store", str(disks.store)]
        server = start_server(folder, *store, *options, temporary=disks.temporary)
        try:
            server.wait_until_ready()
            trial = Trial(folder, archives, num_clients, server)
            ask(trial.control, "register", file=str(archives.second), sha256=None)
            yield FullDisks(trial, disks, spare, {})
        finally:
            server.stop()
