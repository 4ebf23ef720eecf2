"""Every place runs every job once, so many at a time and no more, each with its share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from docsort.core.errors import ConfigError
from docsort.sweeps import places
from docsort.sweeps.jobs import Job
from docsort.sweeps.places import Joblib, OneByOne, Place, RayCluster
from docsort.sweeps.shares import Demand
from tests.sweeps.conftest import MakeJob

ON_CPU = Demand(1, on_gpus=False)
# ends only once the other of its pair has begun, so that two must run together
PAIR = """
import os, pathlib, sys, time
folder, other = map(pathlib.Path, sys.argv[1:])
(folder / "threads").write_text(os.environ["OMP_NUM_THREADS"])
deadline = time.monotonic() + 240
while not (other / "threads").exists():
    assert time.monotonic() < deadline
    time.sleep(0.01)
sys.exit(int(folder.name) % 2)
"""


@pytest.fixture(params=["joblib", "ray"])
def two_at_a_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """On a machine of six cores, as far as the places know."""
    monkeypatch.setattr(places, "usable_cores", lambda: 6)
    if request.param == "joblib":
        return Joblib(2, ON_CPU)
    return RayCluster(2, None, ON_CPU)


def test_two_at_a_time(two_at_a_time: Place, make_job: MakeJob, tmp_path: Path) -> None:
    jobs = [make_job(n, PAIR, str(tmp_path / str(n ^ 1))) for n in range(4)]
    told: dict[int, int] = {}
    in_hand = most = 0

    def choose() -> Iterator[Job]:
        nonlocal in_hand, most
        for job in jobs:
            in_hand += 1
            most = max(most, in_hand)
            yield job

    def done(job: Job, status: int) -> None:
        nonlocal in_hand
        in_hand -= 1
        assert job.number not in told
        told[job.number] = status

    two_at_a_time.run_all(choose(), done)
    # a failed one ends no other
    assert told == {0: 0, 1: 1, 2: 0, 3: 1}
    # a job is chosen only when it can begin
    assert most == 2
    assert {(job.folder / "threads").read_text(encoding="utf-8") for job in jobs} == {"3"}


def test_one_by_one_knows_each_result_before_the_next(make_job: MakeJob) -> None:
    seen: list[str] = []

    def choose() -> Iterator[Job]:
        for number in range(3):
            seen.append(f"chosen {number}")
            yield make_job(number, "")

    OneByOne(ON_CPU).run_all(choose(), lambda job, status: seen.append(f"done {job.number}"))
    assert seen == ["chosen 0", "done 0", "chosen 1", "done 1", "chosen 2", "done 2"]


def test_an_error_while_telling_ends_the_sweep(make_job: MakeJob) -> None:
    def done(job: Job, status: int) -> None:
        raise ConfigError("all have failed")

    with pytest.raises(ConfigError, match="all have failed"):
        Joblib(1, ON_CPU).run_all((make_job(n, "") for n in range(9)), done)


class Cluster:
    """Ray, as far as a share is asked for; a machine that was lost stands first."""

    def __init__(self, *machines: dict[str, float]) -> None:
        self._machines = machines
        self.asked: dict[str, int] = {}

    def nodes(self) -> list[dict[str, Any]]:
        lost: dict[str, Any] = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
        return [lost, *({"Alive": True, "Resources": each} for each in self._machines)]

    def remote(self, **asked: int) -> Callable[[Any], None]:
        self.asked = {name: asked[name] for name in ("num_cpus", "num_gpus")}
        return lambda job: None


CPUS, GPUS = {"CPU": 4.0}, {"CPU": 8.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("machines", "num_jobs", "on_gpus", "cpus", "gpus"),
    [
        ([CPUS], 1, False, 4, 0),
        ([CPUS], 3, False, 1, 0),
        ([CPUS, CPUS], 1, False, 4, 0),  # not the 8 of both, which no job would ever get
        ([CPUS, CPUS, CPUS], 2, False, 4, 0),
        ([CPUS, CPUS], 3, False, 2, 0),
        ([GPUS, GPUS], 1, True, 8, 2),
        ([GPUS, GPUS], 3, True, 4, 1),
        ([CPUS, GPUS], 2, True, 4, 1),  # a machine without GPUs is no place
    ],
)
def test_a_share_of_a_cluster_is_on_one_machine(
    machines: list[dict[str, float]], num_jobs: int, on_gpus: bool, cpus: int, gpus: int
) -> None:
    cluster = Cluster(*machines)
    RayCluster(num_jobs, None, Demand(1, on_gpus))._remote(cluster)
    assert cluster.asked == {"num_cpus": cpus, "num_gpus": gpus}


@pytest.mark.parametrize(
    ("machines", "num_jobs", "demand", "there"),
    [
        ([{"CPU": 3.0}], 4, ON_CPU, "3 cores"),
        ([], 1, ON_CPU, "0 cores"),
        ([CPUS, CPUS], 1, Demand(5, on_gpus=False), r"4\+4 cores"),
        ([GPUS, GPUS], 1, Demand(3, on_gpus=True), r"2\+2 GPUs"),
        ([CPUS], 1, Demand(1, on_gpus=True), "0 GPUs"),
    ],
)
def test_more_than_a_cluster_holds(
    machines: list[dict[str, float]], num_jobs: int, demand: Demand, there: str
) -> None:
    with pytest.raises(ConfigError, match=rf"n_jobs={num_jobs} .* cluster's {there}"):
        RayCluster(num_jobs, None, demand)._remote(Cluster(*machines))
