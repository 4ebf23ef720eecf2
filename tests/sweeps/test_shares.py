"""Cores and GPUs shared out: literal shares, and what is refused."""

import pytest

from docsort.core.errors import ConfigError
from docsort.sweeps.shares import Demand, Share, share_out


@pytest.mark.parametrize(
    ("num_jobs", "devices", "cores", "threads"),
    [(1, 1, 8, 8), (2, 1, 8, 4), (3, 1, 8, 2), (8, 1, 8, 1), (2, 2, 8, 2), (2, 1, 3, 1)],
)
def test_cores_are_never_given_twice(num_jobs: int, devices: int, cores: int, threads: int) -> None:
    shares = share_out(num_jobs, Demand(devices, on_gpus=False), cores, ("0", "1"))
    assert shares == [Share(threads, gpus=())] * num_jobs
    assert num_jobs * devices * threads <= cores


def test_gpus_are_never_given_twice() -> None:
    shares = share_out(2, Demand(2, on_gpus=True), 8, ("3", "5", "6", "7", "9"))
    assert [share.gpus for share in shares] == [("3", "5"), ("6", "7")]
    assert shares[1].environment()["CUDA_VISIBLE_DEVICES"] == "6,7"
    assert shares[1].environment()["OMP_NUM_THREADS"] == "2"


def test_a_cpu_run_sees_no_gpu() -> None:
    (share,) = share_out(1, Demand(1, on_gpus=False), 4, ("0",))
    assert share.environment()["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(
    ("num_jobs", "demand", "said"),
    [
        (3, Demand(1, on_gpus=False), "n_jobs=3 .* 2 cores"),
        (2, Demand(2, on_gpus=False), "devices=2 .* 2 cores"),
        (2, Demand(1, on_gpus=True), "n_jobs=2 .* 1 GPUs"),
        (0, Demand(1, on_gpus=False), "n_jobs=0 .* whole number from 1"),
        ("two", Demand(1, on_gpus=False), "n_jobs=two"),
    ],
)
def test_too_many_at_a_time_are_refused(num_jobs: int, demand: Demand, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        share_out(num_jobs, demand, 2, ("0",))


@pytest.mark.parametrize(
    ("accelerator", "devices", "demand"),
    [
        ("cpu", 2, Demand(2, on_gpus=False)),
        ("gpu", 1, Demand(1, on_gpus=True)),
        ("gpu", [0, 2], Demand(2, on_gpus=True)),
        ("gpu", -1, Demand(1, on_gpus=True)),
        ("cpu", "auto", Demand(1, on_gpus=False)),
    ],
)
def test_what_a_run_asks_for(accelerator: str, devices: object, demand: Demand) -> None:
    assert Demand.of({"accelerator": accelerator, "devices": devices}) == demand
