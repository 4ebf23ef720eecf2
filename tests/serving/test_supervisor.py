"""The supervisor's order of things, where no TorchServe is needed to see it."""

import os
import signal
import sys
from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving import supervisor as supervisor_module
from docsort.serving.child import Child
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.supervisor import Programs, Supervisor


def test_torchserve_is_ended_although_nginx_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(child: Child, drain_timeout_s: float) -> None:
        raise ServingError("Nginx does not end")

    monkeypatch.setattr(supervisor_module, "end_nginx", failing)
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    run_dir.ready.touch()
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    children = [
        Child(name, command, tmp_path, tmp_path / f"{name}.log") for name in ("TorchServe", "Nginx")
    ]
    supervisor = Supervisor(
        ServeSettings(tmp_path, tmp_path), (), Programs("", "", tmp_path), print, lambda: None
    )
    try:
        with pytest.raises(ServingError, match="Nginx does not end"):
            supervisor._end(run_dir, children)
        assert children[0].exit_status is not None
        assert children[1].exit_status is None
        assert not run_dir.ready.exists()
    finally:
        for child in children:
            child.end(signal.SIGKILL, 10)
