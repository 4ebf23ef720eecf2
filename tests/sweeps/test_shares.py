"""Cores and GPUs shared out: literal shares, and what is refused."""

import pytest

from docsort.core.errors import ConfigError
from docsort.sweeps.shares import Demand, Share, share_out, visible_gpus


@pytest.mark.parametrize(
    ("num_jobs", "devices", "cores", "threads"),
    [(1, 1, 8, 8), (2, 1, 8, 4), (3, 1, 8, 2), (8, 1, 8, 1), (2, 2, 8, 2), (2, 1, 3, 1)],
)
def test_cores_are_never_given_twice(num_jobs: int, devices: int, cores: int, threads: int) -> None:
    shares = share_out(num_jobs, Demand(devices, on_gpus=False), cores, ("0", "1"))
    assert shares == [Share(threads)] * num_jobs
    assert num_jobs * devices * threads <= cores


def test_gpus_are_never_given_twice() -> None:
    shares = share_out(2, Demand(2, on_gpus=True), 8, ("3", "5", "6", "7", "9"))
    assert [share.gpus for share in shares] == [("3", "5"), ("6", "7")]
    assert shares[1].environment()["CUDA_VISIBLE_DEVICES"] == "6,7"
    assert shares[1].environment()["OMP_NUM_THREADS"] == "2"


def test_more_runs_than_gpus_take_turns_on_them() -> None:
    shares = share_out(5, Demand(1, on_gpus=True), 16, ("3", "GPU-5"))
    assert [share.gpus for share in shares] == [("3",), ("GPU-5",), ("3",), ("GPU-5",), ("3",)]
    assert {share.threads for share in shares} == {3}


def test_gpus_are_left_to_a_run_that_may_ask_for_one_itself() -> None:
    """As in `docsort train -m trainer=cpu,gpu` and `docsort evaluate -m device=cuda`."""
    (share,) = share_out(1, Demand(1, on_gpus=False), 4, ())
    assert "CUDA_VISIBLE_DEVICES" not in share.environment()


@pytest.mark.parametrize(
    ("num_jobs", "demand", "said"),
    [
        (3, Demand(1, on_gpus=False), "n_jobs=3 .* 2 cores"),
        (2, Demand(2, on_gpus=False), "devices=2 .* 2 cores"),
        (2, Demand(2, on_gpus=True), "devices=2 .* 2 cores"),
        (1, Demand(2, on_gpus=True), "n_jobs=1 .*devices=2 .* 1 GPUs"),
        (0, Demand(1, on_gpus=False), "n_jobs=0 .* whole number from 1"),
        ("two", Demand(1, on_gpus=False), "n_jobs=two"),
    ],
)
def test_too_many_at_a_time_are_refused(num_jobs: int, demand: Demand, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        share_out(num_jobs, demand, 2, ("0",))


def test_gpus_that_the_environment_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,GPU-7,-1,2")
    assert visible_gpus() == ("1", "GPU-7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == ()


def test_no_gpu_at_all() -> None:
    with pytest.raises(ConfigError, match="none that torch can use; accepted here: trainer=cpu"):
        share_out(1, Demand(1, on_gpus=True), 2, ())


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
