"""What stands on disk of a run's second time, on all of its documents (TrainingRun.refit)."""

from contextlib import suppress
from pathlib import Path

from docsort.core.bundle import Manifest
from docsort.core.disk import remove_partials
from docsort.core.errors import BundleError
from lightning_modules.ends_after import EndsAfter
from lightning_modules.resume import StoppedRun, read_stopped, what_differs
from lightning_modules.snapshots import LAST

# the folder of its checkpoint, beside the first run's, and of its log
REFIT = "refit"


def stopped_refit(checkpoints: Path, manifest: Manifest, ends: EndsAfter) -> StoppedRun | None:
    """The one to go on with; None: none, or of a run that chose otherwise."""
    stopped = _read(checkpoints)
    if stopped is None or stopped.refit != ends.state_dict():
        return None
    return None if what_differs(stopped.manifest, manifest) else stopped


def remove_refit(checkpoints: Path) -> None:
    """Once its weights are in the bundle. ``checkpoints``: the run's; nothing else is removed."""
    if _read(checkpoints):
        last = checkpoints / REFIT / LAST
        last.unlink()
        remove_partials(last)
        with suppress(OSError):  # somebody else's files are in it
            last.parent.rmdir()


def _read(checkpoints: Path) -> StoppedRun | None:
    """None where it is of another version, or no refit's."""
    last = checkpoints / REFIT / LAST
    try:
        stopped = read_stopped(last) if last.is_file() else None
    except BundleError:
        return None
    return stopped if stopped and stopped.refit else None
