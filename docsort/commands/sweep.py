"""What a sweep's runs left in their folders, and its end: one table, one page, ``best``.

Runs nothing, and chooses by validation alone.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from docsort.commands.overrides import as_typed, setting_of
from docsort.commands.run_folder import CHECKPOINTS
from docsort.commands.show import rows_table
from docsort.core.disk import write_whole
from docsort.core.errors import ConfigError
from docsort.report.sweep_page import write_sweep_page
from docsort.report.sweep_results import Sweep, SweepRun, short
from docsort.sweeps.jobs import LOG, Job, why

SCORE = "val/macro_f1"
SECONDS = "train/seconds"
TEST = ("test/accuracy", "test/macro_f1")
BEST = "best"
GO_ON = "resume=auto"
PAGE = "sweep.html"


def figures_of(folder: Path) -> dict[str, float]:
    """A run's metrics; empty until it has finished."""
    metrics = folder / "metrics.json"
    if not metrics.is_file():
        return {}
    figures: dict[str, float] = json.loads(metrics.read_text(encoding="utf-8"))
    return figures


def overrides_of(folder: Path) -> list[str]:
    """What a run was given; empty for a folder that no run has begun in."""
    file = folder / ".hydra" / "overrides.yaml"
    return without_go_on(as_typed(OmegaConf.load(file)) if file.is_file() else ())


def without_go_on(overrides: Iterable[str]) -> list[str]:
    """A run's own settings: a sweep sees to it that each of its runs goes on."""
    return [each for each in overrides if each != GO_ON]


def is_begun(folder: Path) -> bool:
    """Whether a run was killed in it after its first checkpoint."""
    return any((folder / CHECKPOINTS).glob("*.ckpt"))


def is_finished(folder: Path, overrides: list[str]) -> bool:
    """Whether this very run is there already. Raises ConfigError when another one is."""
    if not figures_of(folder):
        return False
    if overrides_of(folder) != overrides:
        raise ConfigError(
            f"hydra.sweep.dir={folder.parent} holds another sweep, whose run {folder.name} was "
            f"given {' '.join(overrides_of(folder))}; name another folder"
        )
    return True


def note_of(job: Job, status: int) -> str:
    """Why a run failed and where to read more; empty for one that did not."""
    own_words = re.sub(r"^docsort \w+: ", "", why(job, status))
    return f"failed: {own_words} (see {job.folder / LOG})" if status else ""


def read_run(folder: Path, overrides: Iterable[str]) -> SweepRun:
    """A run of a list, which was given ``overrides``, from what it wrote."""
    figures = figures_of(folder)
    score = figures.get(SCORE)
    return SweepRun(
        number=int(folder.name),
        state="failed" if score is None else "complete",
        parameters={setting_of(each): each.partition("=")[2] for each in without_go_on(overrides)},
        score=score,
        **shown_figures(figures),
    )


def shown_figures(figures: Mapping[str, float]) -> dict[str, Any]:
    """What the table shows beside a run's score."""
    test = {name: figures[name] for name in TEST if name in figures}
    return {"seconds": figures.get(SECONDS), "test": test or None}


def read_runs(folder: Path, overrides: Iterable[Iterable[str]]) -> tuple[SweepRun, ...]:
    """A list sweep's runs, in order; a longer list may have left more in its folder."""
    return tuple(read_run(folder / str(number), each) for number, each in enumerate(overrides))


def score_of(folder: Path) -> str:
    """A finished run's score, for a person."""
    figures = figures_of(folder)
    return f"{SCORE} {figures[SCORE]:.4f}" if SCORE in figures else "finished"


def tell_of(number: int, outcome: str, settings: Sequence[str]) -> None:
    """A line when a run has ended."""
    print(f"run {number}: {outcome}  {' '.join(settings)}", flush=True)


def conclude(folder: Path, sweep: Sweep) -> None:
    """Print the table, write the page, and name the best run."""
    if not sweep.runs:
        return
    rows_table([_row(run, sweep.varied()) for run in sweep.runs])
    if sweep.repeated():
        rows_table(_group_rows(sweep))
    write_sweep_page(folder / PAGE, sweep)
    best = sweep.best()
    if best:
        # looked at once the choice has been made
        for name, spread in sweep.chosen_test().items():
            print(f"{name} of the chosen: {spread}")
        print(f"best    {_name_best(folder, best.number)}")
    print(f"sweep   {folder / PAGE}")


def _row(run: SweepRun, names: list[str]) -> dict[str, object]:
    score = run.state if run.score is None else run.score
    settings = {name: short(run.parameters.get(name, "")) for name in names}
    seconds = "" if run.seconds is None else f"{run.seconds:.0f}"
    return {"run": run.number, **settings, SCORE: score, SECONDS: seconds}


def _group_rows(sweep: Sweep) -> list[dict[str, object]]:
    over = ", ".join(sweep.repeated())
    return [
        {
            **{name: short(value) for name, value in group.parameters.items()},
            "runs": len(group.runs),
            f"{SCORE} over {over}": group.score or "failed",
        }
        for group in sweep.groups()
    ]


def _name_best(folder: Path, number: int) -> str:
    """Name the best run in the sweep's folder, and say where: by a link, or else in a file.

    The file is for file systems without symbolic links, and for a folder with something else of
    the link's name.
    """
    link, text = folder / BEST, folder / f"{BEST}.txt"
    temporary = folder / f".{BEST}"
    try:
        if link.exists() and not link.is_symlink():
            raise FileExistsError
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(str(number))
        os.replace(temporary, link)
    except OSError:
        write_whole(text, f"{number}\n")
        return f"run {number}, as {text} says"
    text.unlink(missing_ok=True)
    return f"{link} -> {number}"
