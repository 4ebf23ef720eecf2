"""The supervisor's order of things, where no TorchServe is needed to see it."""

import os
import signal
import sys
from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving.child import Child
from docsort.serving.front import Front
from docsort.serving.rollout import Rollout
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.supervisor import Programs, Session, Supervisor


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
