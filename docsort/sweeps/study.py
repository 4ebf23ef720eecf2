"""An Optuna study kept in SQLite: which trial comes next, what came of each; runs nothing.

The study is the sweep's only memory. A sweep that was killed opens it again and goes on: trials
that were running then are told as failed and their parameters are tried again.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial, Trial, TrialState

from docsort.core.errors import ConfigError
from docsort.data.seed import NUM_SEEDS, check_seed
from docsort.sweeps.trial import TrialAddress, open_storage

DATABASE = "study.db"
NOTE = "note"
_INTERRUPTED = "interrupted"
_AGAIN = "again"
# so many failures with no other outcome say that the command is wrong, not the parameters
_HOPELESS_START = 3
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class StudySettings:
    """How trials are chosen and how early they may be stopped. Mirrors conf/hydra/sweeper/optuna.

    Attributes:
        n_trials: trials with an outcome; those that a killed sweep left behind don't count.
        n_startup_trials: chosen at random first; none is pruned before so many have finished.
        prune_after: validations that every trial is given before it may be pruned; null: all.
        seed: of the choices.
        storage: a database's URL, for runs on several machines; null: SQLite in the sweep's folder.
    """

    n_trials: int
    n_startup_trials: int
    prune_after: int | None
    seed: int
    storage: str | None

    def __post_init__(self) -> None:
        self._check("n_trials")
        self._check("n_startup_trials")
        check_seed(self.seed, "hydra.sweeper.seed")
        if self.prune_after is not None:
            self._check("prune_after", "null or ")

    def _check(self, name: str, otherwise: str = "") -> None:
        value = getattr(self, name)
        if type(value) is not int or value < 1:
            raise ConfigError(
                f"hydra.sweeper.{name}={value} is not accepted; "
                f"give {otherwise}a whole number from 1 up"
            )


class SweepStudy:
    """The study of one sweep's folder, made or gone on with."""

    def __init__(
        self,
        folder: Path,
        settings: StudySettings,
        space: Mapping[str, BaseDistribution],
        fixed: Mapping[str, str],
    ) -> None:
        """Open it. The folder must be this process's alone.

        Args:
            folder: where the sweep's runs lie.
            settings: how to search.
            space: what is searched, by setting.
            fixed: what all trials share.

        Raises:
            ConfigError: it holds a sweep over something else.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._folder, self._settings, self._space = folder, settings, dict(space)
        own = settings.storage is None
        self._url = f"sqlite:///{folder / DATABASE}" if own else str(settings.storage)
        self._name = "sweep" if own else str(folder)
        self._study = optuna.create_study(
            storage=open_storage(self._url),
            study_name=self._name,
            direction="maximize",
            load_if_exists=True,
        )
        self._study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=settings.n_startup_trials,
            # a sweep that goes on must not draw its first numbers again
            seed=(settings.seed + len(self._study.trials)) % NUM_SEEDS,
        )
        self._check_same(fixed)
        self._take_up_interrupted()

    def trials(self) -> Iterator[Trial]:
        """The trials still to be run, each chosen when it is asked for."""
        while self._num_counted() < self._settings.n_trials:
            yield self._study.ask(self._space)

    def address(self, trial: Trial) -> TrialAddress:
        """What a trial's process needs to report to the study."""
        settings = self._settings
        return TrialAddress(
            self._url, self._name, trial._trial_id, settings.n_startup_trials, settings.prune_after
        )

    def tell_complete(self, number: int, score: float) -> None:
        """A trial ended with a validation score; one that is no number counts as failed."""
        if math.isfinite(score):
            self._study.tell(number, score)
        else:
            self.tell_failed(number, f"its score is {score}")

    def tell_pruned(self, number: int) -> None:
        """A trial was stopped as hopeless."""
        self._study.tell(number, state=TrialState.PRUNED)

    def tell_failed(self, number: int, note: str) -> None:
        """A trial failed.

        Raises:
            ConfigError: nothing but failures so far.
        """
        self._note(number, NOTE, note)
        self._study.tell(number, state=TrialState.FAIL)
        told = [t for t in self._study.trials if t.state in _ENDED and not interrupted(t)]
        if len(told) >= _HOPELESS_START and all(t.state == TrialState.FAIL for t in told):
            raise ConfigError(
                f"the first {len(told)} trials of the sweep have all failed, the last with: {note}"
            )

    def ended(self) -> list[FrozenTrial]:
        """Every trial with an outcome, in order."""
        return [trial for trial in self._study.trials if trial.state in _ENDED]

    def trial(self, number: int) -> FrozenTrial:
        """One trial as it stands."""
        return self._study.trials[number]

    def best_number(self) -> int | None:
        """The trial with the highest score so far."""
        complete = [t for t in self._study.trials if t.state == TrialState.COMPLETE]
        return max(complete, key=lambda t: t.value or 0.0).number if complete else None

    def importance(self) -> dict[str, float]:
        """How much each searched setting decides the score, 0 to 1; empty with too few trials."""
        scores = {t.value for t in self._study.trials if t.state == TrialState.COMPLETE}
        if len(scores) < 2:
            return {}
        return dict(optuna.importance.get_param_importances(self._study))

    def _num_counted(self) -> int:
        """Trials that have an outcome of their own, or will have."""
        trials = self._study.trials
        return sum(t.state != TrialState.WAITING and not interrupted(t) for t in trials)

    def _check_same(self, fixed: Mapping[str, str]) -> None:
        searched = {name: distribution_to_json(each) for name, each in self._space.items()}
        given = {**fixed, **searched}
        before = self._study.user_attrs.get("settings")
        if before is None:
            self._study.set_user_attr("settings", given)
            return
        for name in {**before, **given}:
            if before.get(name) != given.get(name):
                raise ConfigError(
                    f"hydra.sweep.dir={self._folder} holds a sweep with {name}={before.get(name)}, "
                    f"now given {given.get(name)}; go on with the same command, or name another "
                    "folder"
                )

    def _take_up_interrupted(self) -> None:
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            self._note(trial.number, _INTERRUPTED, True)
            self._study.tell(trial.number, state=TrialState.FAIL)
            self._study.enqueue_trial(trial.params, user_attrs={_AGAIN: trial.number})

    def _note(self, number: int, name: str, value: Any) -> None:
        storage = self._study._storage
        trial_id = storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)
        storage.set_trial_user_attr(trial_id, name, value)


def interrupted(trial: FrozenTrial) -> bool:
    """Whether a killed sweep left it behind; its parameters are tried again."""
    return bool(trial.user_attrs.get(_INTERRUPTED))


def tried_again(trial: FrozenTrial) -> int | None:
    """The interrupted trial whose parameters this one tries again."""
    return trial.user_attrs.get(_AGAIN)
