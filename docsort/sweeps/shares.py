"""Cores and GPUs shared out between runs that go on at the same time; starts nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import joblib

from docsort.core.errors import ConfigError
from docsort.core.gpus import VISIBLE_GPUS, named_gpus
from docsort.core.threads import THREAD_VARIABLES


@dataclass(frozen=True)
class Demand:
    """What every run of a sweep asks for: its processes, one a device, and whether on GPUs."""

    devices: int
    on_gpus: bool

    @classmethod
    def of(cls, trainer: Mapping[str, Any]) -> "Demand":
        """From the resolved `trainer` group; devices=auto and -1 take what their share holds."""
        on_gpus = trainer["accelerator"] in ("gpu", "cuda")
        if not on_gpus and trainer["accelerator"] == "auto":
            on_gpus = bool(visible_gpus())
        devices = trainer["devices"]
        if isinstance(devices, list):
            return cls(len(devices), on_gpus)
        return cls(devices if isinstance(devices, int) and devices > 0 else 1, on_gpus)


@dataclass(frozen=True)
class Share:
    """What one run may use. ``gpus``: for CUDA_VISIBLE_DEVICES; None leaves the variable alone."""

    threads: int
    gpus: tuple[str, ...] | None = None

    def environment(self) -> dict[str, str]:
        """The variables that hold a run's processes to its share."""
        variables = {name: str(self.threads) for name in THREAD_VARIABLES}
        if self.gpus is not None:
            variables[VISIBLE_GPUS] = ",".join(self.gpus)
        return variables


def share_out(num_jobs: int, demand: Demand, cores: int, gpus: tuple[str, ...]) -> list[Share]:
    """An equal share for each of ``num_jobs`` runs at a time; no core is in two of them.

    Nor is a GPU, unless there are more runs than GPUs, of one each: a small model leaves most of a
    large GPU idle (docs/LOG.md, 2026-11-27).

    Raises:
        ConfigError: there aren't enough cores or GPUs for so many.
    """
    check_num_jobs(num_jobs)
    threads = cores // (num_jobs * demand.devices)
    if threads < 1:
        raise too_many(num_jobs, demand, f"{cores} cores")
    if not demand.on_gpus:  # or a run's own overrides say so: Hydra doesn't show them here
        return [Share(threads)] * num_jobs
    if not gpus:
        raise ConfigError(
            "the runs want GPUs, and this machine has none that torch can use; accepted here: "
            "trainer=cpu"
        )
    if demand.devices == 1 and num_jobs > len(gpus):
        return [Share(threads, (gpus[at % len(gpus)],)) for at in range(num_jobs)]
    each = len(gpus) // num_jobs
    if each < demand.devices:
        raise too_many(num_jobs, demand, f"{len(gpus)} GPUs")
    return [Share(threads, gpus[at * each : (at + 1) * each]) for at in range(num_jobs)]


def check_num_jobs(num_jobs: object) -> None:
    """Raises ConfigError for what is no number of runs."""
    if type(num_jobs) is not int or num_jobs < 1:
        raise ConfigError(
            f"hydra.launcher.n_jobs={num_jobs} is not accepted; give a whole number from 1 up"
        )


def too_many(num_jobs: int, demand: Demand, there: str) -> ConfigError:
    """The error for more runs at a time than cores or GPUs allow."""
    return ConfigError(
        f"hydra.launcher.n_jobs={num_jobs} with trainer.devices={demand.devices} needs more than "
        f"the {there} there are; lower one of the two"
    )


def usable_cores() -> int:
    """Cores that this process may use: affinity, and a container's limit, kept."""
    return int(joblib.cpu_count())


def visible_gpus() -> tuple[str, ...]:
    """Names of the GPUs that torch would see, for CUDA_VISIBLE_DEVICES."""
    named = named_gpus()
    if named is not None:
        return named
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))
