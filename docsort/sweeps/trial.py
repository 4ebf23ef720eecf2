"""A trial as the process that runs it sees it: reports scores, learns whether to go on.

The address comes in an environment variable, since it is no part of a run's recipe.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from docsort.core.errors import ConfigError

if TYPE_CHECKING:
    import optuna

VARIABLE = "DOCSORT_TRIAL"
# the exit status of a trial that was stopped as hopeless
PRUNED = 3
# other trials write to the same file
_DATABASE_WAIT_S = 120
# where a database's URL, a mistyped one too, may hold one
_PASSWORD = re.compile(r":(?!//).*@|pass|pwd", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class TrialAddress:
    """Where a trial's scores go, and the rule by which it is stopped (see StudySettings)."""

    storage: str
    study: str
    trial_id: int
    n_startup_trials: int
    prune_after: int | None

    def environment(self) -> dict[str, str]:
        """The variable that tells a process which trial it is."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str] = os.environ) -> "TrialAddress | None":
        """None for a run that is no trial."""
        given = environment.get(VARIABLE)
        return cls(**json.loads(given)) if given else None


class RunningTrial:
    """One trial's line to the study."""

    def __init__(self, address: TrialAddress) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.load_study(
            study_name=address.study,
            storage=open_storage(address.storage),
            pruner=_pruner(address),
        )
        self._trial = optuna.Trial(self._study, address.trial_id)

    def is_hopeless(self, validation: int, score: float) -> bool:
        """Report the score of a validation (from 1); whether the trial should stop now."""
        self._trial.report(score, validation)
        return self._trial.should_prune()


def open_storage(url: str) -> "optuna.storages.RDBStorage":
    """The study's database; its tables are made when there are none.

    Raises:
        ConfigError: it can't be opened; never tells a password.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    wait = {"connect_args": {"timeout": _DATABASE_WAIT_S}} if url.startswith("sqlite") else {}
    try:
        return RDBStorage(url, engine_kwargs=wait)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise ConfigError(
            f"hydra.sweeper.storage{_why_not(url, error)}; give the URL of a database that is "
            "there, its driver installed, or null for SQLite in the sweep's folder"
        ) from error


def _why_not(url: str, error: Exception) -> str:
    if isinstance(error, ImportError):
        return f" cannot be opened: {error.__cause__ or error}"
    if _PASSWORD.search(url):
        # the words of SQLAlchemy and of drivers may hold the URL, or a part of a password with an @
        return (
            f" cannot be opened: {type(error).__name__} (more is not told, for the password in the "
            "URL; give it as PGPASSWORD or in ~/.pgpass to read why)"
        )
    words = str(getattr(error, "orig", None) or error).partition("\n")[0]
    return f"={url} cannot be opened: {words}"


def _pruner(address: TrialAddress) -> "optuna.pruners.BasePruner":
    """Stops a trial whose best score so far is below the others' median at that validation."""
    from optuna.pruners import MedianPruner, NopPruner

    if address.prune_after is None:
        return NopPruner()
    return MedianPruner(address.n_startup_trials, n_warmup_steps=address.prune_after)
