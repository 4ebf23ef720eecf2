"""Workers that TorchServe has given up are started anew; those that it may be starting are not."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from docsort.core.errors import ServingError
from docsort.serving.external_front import ExternalFront
from docsort.serving.revival import GIVES_UP_AFTER_S, Revival
from docsort.serving.rollout import Rollout
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.supervisor import Programs, Session, StopRequested, Supervisor
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.versions import WantedModel, WantedVersion
from docsort.serving.watch import Watch
from tests.serving.conftest import RunningServer

SETTINGS = ServeSettings(Path("/store"), Path("/run"), startup_timeout_s=60)
WAIT_S = GIVES_UP_AFTER_S + 60
WANTED = [
    WantedModel(name, "1.0", (WantedVersion("1.0", f"{name}-1.0.mar", "f", "now"),))
    for name in ("big", "small")
]


@dataclass
class FakeApi(TorchServeApi):
    """A TorchServe whose ready workers a test names, and which may not answer."""

    workers: dict[str, set[int]] = field(default_factory=lambda: {"big": set(), "small": {7}})
    renewed: list[str] = field(default_factory=list)
    answers: bool = True

    def ready_workers(self, name: str, version: str) -> set[int]:
        if not self.answers:
            raise ServingError("does not answer")
        return self.workers[name]

    def renew_workers(self, name: str, version: str, settings: ServeSettings) -> None:
        self.renewed.append(f"{name} {version}")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one number is the time, in seconds."""
    now = [1000.0]
    monkeypatch.setattr("docsort.serving.revival.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def watch_of(api: TorchServeApi, folder: Path) -> Watch:
    run_dir = RunDir(folder, lock=os.open(folder / "lock", os.O_CREAT))
    run_dir.make_folders()
    return Watch(api, run_dir, folder, WANTED)


def test_only_what_has_no_worker_for_long_and_then_again(
    tmp_path: Path, clock: list[float]
) -> None:
    api, reports = FakeApi(), list[str]()
    revival, watch = Revival(SETTINGS, reports.append), watch_of(api, tmp_path)
    revival.look(watch)
    clock[0] += WAIT_S - 1
    revival.look(watch)
    assert api.renewed == []
    clock[0] += 1
    revival.look(watch)
    assert api.renewed == ["big 1.0"]
    assert reports == [f"big 1.0 has had no worker for {WAIT_S:.0f} s; starting anew"]
    clock[0] += WAIT_S - 1
    revival.look(watch)
    assert api.renewed == ["big 1.0"]
    clock[0] += 1
    revival.look(watch)
    assert api.renewed == ["big 1.0", "big 1.0"]


@pytest.mark.parametrize("all_have_some", [True, False])
def test_a_worker_in_between_begins_the_wait_anew(
    tmp_path: Path, clock: list[float], all_have_some: bool
) -> None:
    api = FakeApi()
    revival, watch = Revival(SETTINGS, print), watch_of(api, tmp_path)
    revival.look(watch)
    clock[0] += WAIT_S - 1
    if all_have_some:
        revival.forget()
    else:
        api.workers = {"big": {11}, "small": set()}
        revival.look(watch)
        api.workers = {"big": set(), "small": {7}}
    for _ in range(2):
        revival.look(watch)
        clock[0] += WAIT_S - 1
    assert api.renewed == []


def test_a_torchserve_that_does_not_answer_is_let_be(tmp_path: Path, clock: list[float]) -> None:
    api = FakeApi()
    revival, watch = Revival(SETTINGS, print), watch_of(api, tmp_path)
    revival.look(watch)
    clock[0] += WAIT_S
    api.answers = False
    revival.look(watch)
    assert api.renewed == []
    api.answers = True
    revival.look(watch)
    assert api.renewed == ["big 1.0"]


def test_the_supervisor_looks(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docsort.serving.supervisor._FOLLOW_S", 0.01)
    settings = replace(SETTINGS, store=tmp_path)
    supervisor = Supervisor(settings, (), Programs("", None, tmp_path), print, lambda: None)

    class RenewedApi(FakeApi):
        def ready_workers(self, name: str, version: str) -> set[int]:
            clock[0] += WAIT_S
            if clock[0] > 100 * WAIT_S:  # enough for many looks
                supervisor.stop.set()
            return super().ready_workers(name, version)

        def renew_workers(self, name: str, version: str, settings: ServeSettings) -> None:
            super().renew_workers(name, version, settings)
            supervisor.stop.set()

    api = RenewedApi()
    watch = watch_of(api, tmp_path)
    front = ExternalFront(settings, watch.run_dir)
    rollout = Rollout(settings, watch.run_dir, front, (), print)
    session = Session(supervisor, watch.run_dir, front, rollout)
    with ThreadPoolExecutor(1) as looker, pytest.raises(StopRequested):
        session._follow(watch, looker)
    assert api.renewed == ["big 1.0"]


def test_torchserve_does_it(server: RunningServer) -> None:
    settings = ServeSettings(server.run_dir, server.run_dir, workers=1)
    with closing(TorchServeApi(RunDir(server.run_dir, lock=-1), timeout_s=60.0)) as api:
        before = api.ready_workers("tiny", "1.0")
        assert len(before) == 1
        api.renew_workers("tiny", "1.0", settings)
        deadline = time.monotonic() + 120
        while not (now := api.ready_workers("tiny", "1.0")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert len(now) == 1
    assert not now & before
