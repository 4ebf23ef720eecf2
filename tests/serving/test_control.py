"""What is asked over the control socket is done, and a failure of it is told."""

import socket
import threading
from pathlib import Path
from typing import cast

import pytest

from docsort.core.errors import ServingError
from docsort.serving.control import controlled
from docsort.serving.control_client import ask
from docsort.serving.rollout import Rollout


class FakeRollout:
    """Rolls back when it may, and fails to promote."""

    def __init__(self) -> None:
        self.may, self.begun, self.is_done = threading.Event(), threading.Event(), False

    def rollback(self, name: str) -> str:
        self.begun.set()
        assert self.may.wait(60)
        self.is_done = True
        return "rolled back"

    def canary(self, name: str, version: str, percent: int, force: bool = False) -> str:
        if force:
            raise ServingError("by force")
        raise ServingError(f"{name} {version} is the default")

    def list(self) -> list[dict[str, str]]:
        return []

    def promote(self, name: str, version: str) -> str:
        raise BrokenPipeError("a child's pipe")


def test_a_broken_pipe_of_the_rollouts_own_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "control"
    with (
        controlled(path, cast(Rollout, FakeRollout()), print),
        pytest.raises(ServingError, match="a child's pipe"),
    ):
        ask(path, "promote", name="tiny", version="2.0")
    assert "BrokenPipeError" in capsys.readouterr().err


def test_who_asked_has_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, rollout = tmp_path / "control", FakeRollout()
    body = b'{"name": "tiny"}'
    with controlled(path, cast(Rollout, rollout), print):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"POST /rollback HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body))
            client.sendall(body)
            assert rollout.begun.wait(60)
        rollout.may.set()
    assert rollout.is_done
    assert capsys.readouterr().err == ""


def test_only_a_canary_and_a_promotion_take_force(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with controlled(path, cast(Rollout, FakeRollout()), print):
        with pytest.raises(ServingError, match="takes a JSON object of name"):
            ask(path, "rollback", name="tiny", force=True)
        with pytest.raises(ServingError, match="by force"):
            ask(path, "canary", name="tiny", version="2.0", percent=10, force=True)


def test_each_change_leaves_a_line(tmp_path: Path) -> None:
    path, rollout, reports = tmp_path / "control", FakeRollout(), list[str]()
    rollout.may.set()
    with controlled(path, cast(Rollout, rollout), reports.append):
        ask(path, "rollback", name="tiny")
        ask(path, "list")
        with pytest.raises(ServingError, match="is the default"):
            ask(path, "canary", name="tiny", version="2.0", percent=10)
        with pytest.raises(ServingError, match="a child's pipe"):
            ask(path, "promote", name="tiny", version="2.0")
    assert reports == [
        "rolled back",
        "canary is refused: tiny 2.0 is the default",
        """promote failed: BrokenPipeError("a child's pipe")""",
    ]
