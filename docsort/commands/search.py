"""A search by Optuna, trial by trial: wires the study, the launcher and the runs' folders."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from docsort.commands.hydra_verbs import settings_of
from docsort.commands.launchers import ProcessLauncher
from docsort.commands.overrides import setting_of
from docsort.commands.run_folder import CHECKPOINTS
from docsort.commands.sweep import (
    SCORE,
    conclude,
    figures_of,
    note_of,
    score_of,
    shown_figures,
    tell_of,
)
from docsort.core.errors import ConfigError
from docsort.report.sweep_results import State, Sweep, SweepRun, short
from docsort.sweeps.jobs import Job
from docsort.sweeps.study import NOTE, StudySettings, SweepStudy, interrupted, tried_again
from docsort.sweeps.trial import PRUNED

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class Search:
    """A sweep's trials. Run n of the folder is trial n of the study."""

    def __init__(
        self,
        launcher: ProcessLauncher,
        folder: Path,
        settings: Mapping[str, Any],
        space: Mapping[str, BaseDistribution],
        fixed: Mapping[str, str],
    ) -> None:
        self._launcher, self._folder, self._fixed = launcher, folder, fixed
        own = settings_of(StudySettings, "hydra.sweeper", dict(settings))
        self._study = SweepStudy(folder, own, space, fixed)

    def run(self, title: str) -> None:
        """Run what is left and conclude. Raises ConfigError when no trial has a score."""
        # a killed sweep leaves those of the trials that it interrupted
        self._remove_checkpoints([trial.number for trial in self._study.ended()])
        for trial in self._study.ended():
            self._launcher.check_same(trial.number, self._overrides(trial.params))
        self._launcher.run_all(self._jobs(), self._done)
        runs = tuple(map(self._run_of, self._study.ended()))
        conclude(self._folder, Sweep(title, runs, self._study.importance()))
        if self._study.best_number() is None:
            raise ConfigError(
                "no trial of the sweep has finished; the table says what each died of"
            )

    def _jobs(self) -> Iterator[Job]:
        for trial in self._study.trials():
            yield self._job(trial)

    def _job(self, trial: Trial) -> Job:
        address = self._study.address(trial)
        overrides = self._overrides(trial.params)
        return self._launcher.job(trial.number, overrides, address.environment())

    def _overrides(self, chosen: Mapping[str, Any]) -> list[str]:
        return [*self._fixed.values(), *(f"{name}={value}" for name, value in chosen.items())]

    def _done(self, job: Job, status: int) -> None:
        """Tell the study. Only the best run so far keeps its checkpoints: they fill disks."""
        best_before, number = self._study.best_number(), job.number
        if status == PRUNED:
            self._study.tell_pruned(number)
        elif status or SCORE not in figures_of(job.folder):
            self._study.tell_failed(number, note_of(job, status) or f"{job.folder} has no score")
        else:
            self._study.tell_complete(number, figures_of(job.folder)[SCORE])
        run = self._run_of(self._study.trial(number))
        outcomes = {"complete": score_of(job.folder), "failed": run.note}
        outcome = outcomes.get(run.state, run.state)
        tell_of(number, outcome, [f"{name}={short(v)}" for name, v in run.parameters.items()])
        self._remove_checkpoints([number] if best_before is None else [number, best_before])

    def _remove_checkpoints(self, numbers: Sequence[int]) -> None:
        """The best so far keeps its own."""
        best = self._study.best_number()
        for number in numbers:
            if number != best:
                shutil.rmtree(self._folder / str(number) / CHECKPOINTS, ignore_errors=True)

    def _run_of(self, trial: FrozenTrial) -> SweepRun:
        again = tried_again(trial)
        note = trial.user_attrs.get(NOTE, "" if again is None else f"run {again} again")
        figures = figures_of(self._folder / str(trial.number))
        return SweepRun(
            number=trial.number,
            state="interrupted" if interrupted(trial) else _STATES[trial.state],
            parameters={setting_of(name): str(value) for name, value in trial.params.items()},
            score=trial.value if trial.state == TrialState.COMPLETE else None,
            validations=tuple(score for _, score in sorted(trial.intermediate_values.items())),
            note=note,
            **shown_figures(figures),
        )
