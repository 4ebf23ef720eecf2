"""One version into TorchServe: loaded and proved before a client can reach it, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docsort.core.disk import full_disk_as_error
from docsort.core.errors import ArchiveError, ServingError, StorageError
from docsort.serving.mar import ArchiveInfo
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.watch import Watch


def load(watch: Watch, info: ArchiveInfo, settings: ServeSettings) -> None:
    """Register an archive of the store and have it answer its golden documents.

    Raises DocsortError, and then TorchServe has forgotten it again.
    """
    _check_room(watch.run_dir.temporary, info)
    with hidden(watch.run_dir, f"{info.name}/{info.version}"):
        file = info.path.relative_to(settings.store)
        watch.api.register(str(file), info.name, info.version, settings)
        try:
            watch.prove(info)
        except BaseException:
            forget(watch, info)
            raise


def _check_room(folder: Path, info: ArchiveInfo) -> None:
    """Of a full disk TorchServe says only that it failed. It unpacks an archive, and so do we."""
    try:
        needed = 2 * info.path.stat().st_size
    except OSError as error:  # it was read a moment ago
        raise ArchiveError(f"{info.path} cannot be read any more: {error.strerror}") from error
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:  # it is another TorchServe's by now
        raise ServingError(f"{folder} cannot be used: {error.strerror}") from error
    if free < needed:
        raise StorageError(
            f"{info.name} {info.version} is not loaded: {folder} has {free} bytes free, and "
            f"unpacking it takes {needed}; make room there, or choose another --run-dir"
        )


def forget(watch: Watch, info: ArchiveInfo) -> None:
    """Undo ``load``, as far as a TorchServe that may have ended lets us."""
    with suppress(ServingError):  # what went wrong before is the error to tell
        watch.api.unregister(info.name, info.version)


def make_gate(gate: Path) -> None:
    """Make a file that Nginx looks for. Raises StorageError or ServingError."""
    try:
        with full_disk_as_error(gate):
            gate.parent.mkdir(parents=True, exist_ok=True)
            gate.touch()
    except OSError as error:
        raise ServingError(f"{gate} cannot be made: {error.strerror}") from error


@contextmanager
def hidden(run_dir: RunDir, predictions: str) -> Iterator[None]:
    """Let Nginx answer 404 to ``/predictions/…`` while the block runs; no reload is needed.

    Raises StorageError or ServingError where the file that says so cannot be made.
    """
    gate = run_dir.closed / "predictions" / f"{predictions}~"
    make_gate(gate)
    try:
        yield
    finally:
        gate.unlink(missing_ok=True)
