"""Every place runs every job once, so many at a time and no more, each with its share."""

from collections.abc import Iterator
from pathlib import Path

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
deadline = time.monotonic() + 60
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


def test_more_than_a_cluster_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small:
        def cluster_resources(self) -> dict[str, float]:
            return {"CPU": 3.0}

    with pytest.raises(ConfigError, match=r"n_jobs=4 .* cluster's 3 cores"):
        RayCluster(4, None, ON_CPU)._remote(Small())
