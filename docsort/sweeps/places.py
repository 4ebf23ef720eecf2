"""Where a sweep's jobs run: one after the other, several at a time, or on a Ray cluster.

Each place takes jobs from an iterator only when it can start them, so that the next trial is chosen
knowing every result so far. ``done`` is told of every job's exit status, never twice at a time.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, Protocol

from joblib import Parallel, delayed

from docsort.core.errors import ConfigError
from docsort.sweeps.jobs import LOST, Job, run_job
from docsort.sweeps.shares import (
    Demand,
    Share,
    check_num_jobs,
    share_out,
    too_many,
    usable_cores,
    visible_gpus,
)

Done = Callable[[Job, int], None]
RAY_OBJECT_STORE_BYTES = 80_000_000  # near the least that Ray accepts: nothing is stored in it


class Place(Protocol):
    """Runs jobs."""

    def run_all(self, jobs: Iterator[Job], done: Done) -> None:
        """Run every job. Returns when the last has ended."""


class OneByOne:
    """One job after the other, each with all cores and GPUs."""

    def __init__(self, demand: Demand) -> None:
        (self._share,) = share_out(1, demand, usable_cores(), _gpus(demand))

    def run_all(self, jobs: Iterator[Job], done: Done) -> None:
        for job in jobs:
            done(job, run_job(job, self._share))


class Joblib:
    """``num_jobs`` at a time on this machine. joblib's threads only wait for processes."""

    def __init__(self, num_jobs: int, demand: Demand) -> None:
        self._shares = share_out(num_jobs, demand, usable_cores(), _gpus(demand))

    def run_all(self, jobs: Iterator[Job], done: Done) -> None:
        lock = Lock()

        def work(share: Share) -> None:
            while (job := next_job()) is not None:
                status = run_job(job, share)
                with lock:
                    done(job, status)

        def next_job() -> Job | None:
            with lock:
                return next(jobs, None)

        # a worker for each share, not a task for each job: joblib takes tasks ahead of time
        parallel = Parallel(len(self._shares), backend="threading")
        parallel(delayed(work)(share) for share in self._shares)


class RayCluster:
    """``num_jobs`` at a time on a Ray cluster, Ray seeing to cores and GPUs.

    Jobs find their files by the same paths everywhere, so several machines need a shared folder.
    """

    def __init__(self, num_jobs: int, address: str | None, demand: Demand) -> None:
        """``address``: of a running cluster, or ``auto``; None starts one on this machine."""
        check_num_jobs(num_jobs)
        self._num_jobs, self._address, self._demand = num_jobs, address, demand

    def run_all(self, jobs: Iterator[Job], done: Done) -> None:
        ray = _ray()
        ray.init(**self._init())
        try:
            run = self._remote(ray)
            running: dict[Any, Job] = {}
            while True:
                while len(running) < self._num_jobs and (job := next(jobs, None)) is not None:
                    running[run(job)] = job
                if not running:
                    return
                (ended,), _ = ray.wait(list(running), num_returns=1)
                done(running.pop(ended), _status(ray, ended))
        finally:
            ray.shutdown()

    def _init(self) -> dict[str, Any]:
        quiet = {"logging_level": "WARNING", "log_to_driver": False}
        if self._address:
            return {**quiet, "address": self._address}
        return {
            **quiet,
            "num_cpus": usable_cores(),
            "object_store_memory": RAY_OBJECT_STORE_BYTES,
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
        }

    def _remote(self, ray: Any) -> Callable[[Job], Any]:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus = [int(machine.get("CPU", 0)) for machine in machines]
        places, gpus = cpus, 0  # how many jobs each machine can take, with a core or GPU each
        if self._demand.on_gpus:
            on_each = [int(machine.get("GPU", 0)) for machine in machines]
            gpus = largest_share(on_each, on_each, self._num_jobs)
            if gpus < self._demand.devices:
                raise self._too_many("GPUs", on_each)
            places = [there // gpus for there in on_each]
        cores = largest_share(cpus, places, self._num_jobs)
        if cores < self._demand.devices:
            raise self._too_many("cores", cpus)
        share = Share(cores // self._demand.devices)  # Ray itself names the GPUs
        task = ray.remote(num_cpus=cores, num_gpus=gpus, max_retries=0)(run_job)
        return lambda job: task.remote(job, share)

    def _too_many(self, what: str, on_each: Sequence[int]) -> ConfigError:
        there = f"cluster's {'+'.join(map(str, on_each)) or 0} {what}"
        return too_many(self._num_jobs, self._demand, there)


def largest_share(on_each: Sequence[int], places: Sequence[int], num_jobs: int) -> int:
    """The most that each of so many jobs can have at once, a job being on one machine; else 0.

    ``on_each``: what each machine has; ``places``: how many jobs it can take, for other reasons.
    """
    for share in range(max(on_each, default=0), 0, -1):
        fit = (min(there // share, room) for there, room in zip(on_each, places, strict=True))
        if sum(fit) >= num_jobs:
            return share
    return 0


def _ray() -> Any:
    # no usage report to Ray's makers
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # else Ray warns that it will no longer hide GPUs from tasks without any
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ConfigError(
            "hydra/launcher=ray needs Ray; install it with: pip install 'docsort[ray]'"
        ) from error
    return ray


def _status(ray: Any, ended: Any) -> int:
    try:
        return int(ray.get(ended))
    except ray.exceptions.RayError:
        return LOST


def _gpus(demand: Demand) -> tuple[str, ...]:
    return visible_gpus() if demand.on_gpus else ()
