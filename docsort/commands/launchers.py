"""Hydra launchers: each run of a sweep is a process of its own, `docsort VERB` with its overrides.

So a run that is killed takes no other with it, its threads and memory are its own, and Lightning's
further processes are started as for any run. What runs where stands in docsort/sweeps/places.py.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from docsort.commands.hydra_verbs import config_options, verb_given
from docsort.commands.overrides import as_typed, quoted
from docsort.commands.sweep import (
    GO_ON,
    is_begun,
    is_finished,
    note_of,
    score_of,
    tell_of,
    without_go_on,
)
from docsort.core.errors import ConfigError
from docsort.sweeps.jobs import Job
from docsort.sweeps.places import Done, Joblib, OneByOne, Place, RayCluster
from docsort.sweeps.shares import Demand

if TYPE_CHECKING:
    from docsort.commands.sweep_inputs import SweepInputs

# the default of hydra.sweep.subdir
NUMBERED = "${hydra.job.num}"
_OF_THE_SWEEP = re.compile(r"[+~]*hydra[./](sweep|sweeper|launcher|mode|run)\b")


class ProcessLauncher(Launcher):
    """What the launchers share; each of them names its place."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self._config, self._loader = config, hydra_context.config_loader
        self._folder = Path(config.hydra.sweep.dir).absolute()
        self._inputs: SweepInputs | None = None
        subdir = OmegaConf.to_container(config.hydra.sweep).get("subdir")  # type: ignore[union-attr]
        if subdir != NUMBERED:
            raise ConfigError(
                f"hydra.sweep.subdir={subdir} is not accepted: a sweep's runs are in folders named "
                "by their numbers. Leave it out; hydra.sweep.dir is the folder above them"
            )

    def place(self, demand: Demand) -> Place:
        """Where the jobs run. Raises ConfigError when it can't hold them."""
        raise NotImplementedError

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run a list of jobs. What an earlier, killed sweep finished is not run again, and what it
        began goes on from its checkpoint.

        What is returned of a job is why it failed: empty when it didn't.
        """
        returns: dict[int, JobReturn] = {}
        to_run: list[Job] = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            returns[number] = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
            asked = without_go_on(overrides)
            job = self.job(number, asked)
            # evaluations are made again: they record no inputs to compare
            finished = is_finished(job.folder, asked) and verb_given() == "train"
            begun = is_begun(job.folder)
            if finished or begun:
                self.check_same(number, asked)
            if not finished:
                to_run.append(self.job(number, [*asked, GO_ON]) if begun else job)
        common = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()

        def done(job: Job, status: int) -> None:
            note = note_of(job, status)
            returns[job.number].return_value = note
            own = [each for each in returns[job.number].overrides or () if each not in common]
            tell_of(job.number, note or score_of(job.folder), own)

        self.run_all(iter(to_run), done)
        return list(returns.values())

    def run_all(self, jobs: Iterator[Job], done: Done) -> None:
        """Run jobs that may be made one by one, as results come in."""
        demand = Demand(1, on_gpus=False)
        if "trainer" in self._config:
            demand = Demand.of(OmegaConf.to_container(self._config.trainer, resolve=True))  # type: ignore[arg-type]
        self.place(demand).run_all(jobs, done)

    def job(
        self, number: int, overrides: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Job:
        """One run's command: this verb with its overrides, into its own folder of the sweep."""
        folder = self._folder / str(number)
        into = f"hydra.run.dir={quoted(str(folder))}"
        # -P: a folder named docsort where the user stands must not shadow ours
        python = (sys.executable, "-P", "-m", "docsort", verb_given(), *config_options())
        own = (*overrides, *self._hydra_overrides(), into)
        return Job(number, (*python, *own), folder, Path.cwd(), environment or {})

    def check_same(self, number: int, overrides: Sequence[str]) -> None:
        """Raise ConfigError where a run of before had other data, weights or settings."""
        # imported here: only a sweep that goes on reads data itself
        from docsort.commands.sweep_inputs import SweepInputs

        self._inputs = self._inputs or SweepInputs()
        config = self._loader.load_configuration(
            self._config.hydra.job.config_name,
            [*self._hydra_overrides(), *overrides],
            RunMode.RUN,
        )
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        resolved = OmegaConf.to_container(own, resolve=True)
        self._inputs.check_same(self._folder / str(number), resolved)  # type: ignore[arg-type]

    def _hydra_overrides(self) -> list[str]:
        """Those of Hydra's own settings that are a run's, and not the sweep's."""
        given = as_typed(self._config.hydra.overrides.hydra)
        return [each for each in given if not _OF_THE_SWEEP.match(each)]


class OneByOneLauncher(ProcessLauncher):
    """One run after the other."""

    def place(self, demand: Demand) -> Place:
        return OneByOne(demand)


class JoblibLauncher(ProcessLauncher):
    """``n_jobs`` runs at a time on this machine."""

    def __init__(self, n_jobs: int) -> None:
        self._n_jobs = n_jobs

    def place(self, demand: Demand) -> Place:
        return Joblib(self._n_jobs, demand)


class RayLauncher(ProcessLauncher):
    """``n_jobs`` runs at a time on a Ray cluster; without an address, one that it starts here."""

    def __init__(self, n_jobs: int, address: str | None) -> None:
        self._n_jobs, self._address = n_jobs, address

    def place(self, demand: Demand) -> Place:
        return RayCluster(self._n_jobs, self._address, demand)
