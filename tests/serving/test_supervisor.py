"""The supervisor's order of things, where no TorchServe is needed to see it."""

import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving.child import Child
from docsort.serving.external_front import ExternalFront
from docsort.serving.front import Front
from docsort.serving.mar import read_archive
from docsort.serving.rollout import Rollout
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.supervisor import (
    Programs,
    Session,
    StopRequested,
    Supervisor,
    stops_on_signals,
)
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import find_wanted, read_wanted, wanted_from, write_wanted
from docsort.serving.watch import Watch


def test_torchserve_is_ended_although_nginx_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(front: Front) -> None:
        raise ServingError("Nginx does not end")

    monkeypatch.setattr(Front, "end", failing)
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    run_dir.ready.touch()
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    torchserve = Child("TorchServe", command, tmp_path, tmp_path / "log")
    settings = ServeSettings(tmp_path, tmp_path)
    supervisor = Supervisor(settings, (), Programs("", "", tmp_path), print, lambda: None)
    front = Front("", settings, run_dir, print)
    session = Session(supervisor, run_dir, front, Rollout(settings, run_dir, front, (), print))
    session.torchserve = torchserve
    try:
        with pytest.raises(ServingError, match="Nginx does not end"):
            session.end()
        assert torchserve.exit_status is not None
        assert not run_dir.ready.exists()
    finally:
        torchserve.end(signal.SIGKILL, 10)


def test_a_canary_that_hangs_keeps_nobody_from_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docsort.serving.supervisor._FOLLOW_S", 0.01)
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    settings = ServeSettings(tmp_path, tmp_path)
    supervisor = Supervisor(settings, (), Programs("", None, tmp_path), print, lambda: None)
    front = ExternalFront(settings, run_dir)
    rollout = Rollout(settings, run_dir, front, (), print)
    session = Session(supervisor, run_dir, front, rollout)
    hangs, looks = threading.Event(), []

    def follow() -> None:
        looks.append(hangs.is_set())
        if looks.count(True) == 3:
            supervisor.stop.set()

    def hang() -> None:
        hangs.set()
        assert supervisor.stop.wait(60)

    watch = Watch(TorchServeApi.__new__(TorchServeApi), run_dir, tmp_path, ())
    monkeypatch.setattr(watch, "follow", follow)
    monkeypatch.setattr(rollout, "follow_canaries", hang)
    with ThreadPoolExecutor(1) as looker, pytest.raises(StopRequested):
        session._follow(watch, looker)
    assert looks.count(True) == 3


def test_what_the_last_supervisor_changed_as_it_ended_is_followed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(shutil.copytree(store, tmp_path / "store"))
    (tiny,) = wanted_from([read_archive(own / f"tiny-{v}.mar") for v in ("1.0", "2.0")])
    write_wanted(own, [WantedModel("tiny", "1.0", tiny.versions)])
    settings = ServeSettings(own, tmp_path / "run", nginx="external")
    programs = Programs("", None, tmp_path)
    wanted = find_wanted(own, [])
    supervisor = Supervisor(settings, wanted, programs, print, lambda: None, remembers=True)
    promoted = (WantedModel("tiny", "2.0", tiny.versions, previous="1.0"),)
    write_wanted(own, promoted)  # while the run directory was waited for

    def serve(session: Session, *executors: object) -> None:
        session.rollout.remember()
        raise StopRequested

    monkeypatch.setattr(Session, "serve", serve)
    supervisor.run(keep_run_dir=False)
    assert tuple(supervisor.wanted) == promoted
    assert read_wanted(own) == promoted


@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_is_told_unless_it_is_to_be_ignored(ignored: bool) -> None:
    """``nohup`` starts a program with SIGHUP ignored; another signal still ends it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        stop = threading.Event()
        with stops_on_signals(stop):
            signal.raise_signal(signal.SIGHUP)
            assert stop.is_set() != ignored
            signal.raise_signal(signal.SIGTERM)
            assert stop.is_set()
        assert signal.getsignal(signal.SIGHUP) == (signal.SIG_IGN if ignored else signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGHUP, before)
