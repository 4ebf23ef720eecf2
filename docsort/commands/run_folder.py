"""What is in the folder of a run: results, checkpoints, and the lock of the command that writes it.

`docsort evaluate` writes results of the same names.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from docsort.core.disk import remove_partials
from docsort.core.errors import ConfigError
from docsort.core.locks import exclusive
from lightning_modules.processes import is_first_process

LOCK = ".lock"
CHECKPOINTS = "checkpoints"

# written last: a run whose folder has it is finished
METRICS = "metrics.json"
PROVENANCE = "provenance.json"
BUNDLE = "bundle"
REPORT = "report.html"
PREDICTIONS = "predictions.parquet"


def finished_metrics(folder: Path) -> dict[str, float] | None:
    """The metrics of the finished run in ``folder``; None where there is none."""
    file = folder / METRICS
    if not file.is_file():
        return None
    metrics: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return metrics


@contextmanager
def sole_command(folder: Path, named: str, command: str) -> Iterator[None]:
    """Hold a folder, which is created if needed, for one command at a time.

    Args:
        folder: what the command writes into.
        named: the setting that names it, for the error.
        command: what may run only once at a time there.

    Raises:
        ConfigError: another command writes into the folder, or it can't be written.
    """
    held = ConfigError(
        f"{named}: another {command} writes there; wait for its end, or name another folder"
    )
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(exclusive(folder / LOCK, held))
        except OSError as error:
            raise ConfigError(
                f"{named}: {folder} can't be written ({error.strerror}); name another folder"
            ) from error
        yield


def refuse_training_run(folder: Path) -> None:
    """Raise ConfigError where a command's results would replace those of a training run."""
    if any((folder / name).exists() for name in (BUNDLE, CHECKPOINTS)):
        raise ConfigError(
            f"hydra.run.dir={folder} holds a training run, whose results this would replace; name "
            "another folder"
        )


def refuse_evaluation(folder: Path) -> None:
    """Raise ConfigError where a training run would replace what `docsort evaluate` has written."""
    if (folder / METRICS).exists() and not (folder / BUNDLE).exists():
        raise ConfigError(
            f"hydra.run.dir={folder} holds {METRICS} and no {BUNDLE}: results of docsort evaluate, "
            "or of a run whose bundle was moved; name another folder"
        )


@contextmanager
def sole_run(folder: Path, named: str | None = None) -> Iterator[None]:
    """Hold a run's folder; of several processes that train together, the first one holds it.

    Raises ConfigError.
    """
    if not is_first_process():
        yield
        return
    with sole_command(folder, named or f"hydra.run.dir={folder}", "docsort command"):
        yield


def remove_unfinished(folder: Path) -> None:
    """Make room for the results of a run that was stopped while it wrote them."""
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    for name in (BUNDLE, PREDICTIONS, METRICS):
        remove_partials(folder / name)


def last_lines(folder: Path) -> str:
    """Where a finished run's results are."""
    return f"bundle  {folder / BUNDLE}\nreport  {folder / REPORT}"
