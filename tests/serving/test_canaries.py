"""A canary that can't serve gives its share back, at its time, and is told of."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from docsort.commands.models import _role
from docsort.core.errors import ServingError, StorageError
from docsort.serving.canaries import GONE_FOR_S, MAX_LOSSES
from docsort.serving.wanted import WANTED
from tests.core.test_disk import files_at_most
from tests.serving.rollout_scene import Scene


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one number is the time, in seconds."""
    now = [1000.0]
    monkeypatch.setattr("docsort.serving.canaries.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_canary_without_workers_gives_its_share_back(scene: Scene, clock: list[float]) -> None:
    scene.api.workers["2.0"] = set()
    scene.rollout.follow_canaries()
    clock[0] += GONE_FOR_S - 1
    scene.rollout.follow_canaries()
    assert scene.is_shared()
    clock[0] += 1
    scene.rollout.follow_canaries()
    assert not scene.is_shared()
    said = "the canary tiny 2.0 is withdrawn: tiny 2.0 has no worker that is ready"
    assert scene.reports[-1] == said
    assert _role(scene.rollout.list()[1]) == "if named; canary withdrawn"

    clock[0] += 100
    scene.api.workers["2.0"] = {11}
    scene.rollout.follow_canaries()
    assert not scene.is_shared()
    assert scene.reports[-1] == said
    scene.rollout.canary("tiny", "2.0", 10)
    scene.rollout.follow_canaries()
    assert scene.is_shared()


def test_a_canary_whose_workers_end_again_and_again(scene: Scene, clock: list[float]) -> None:
    for pid in range(11, 11 + MAX_LOSSES):
        assert scene.is_shared()
        scene.api.workers["2.0"] = {pid}
        scene.rollout.follow_canaries()
        clock[0] += 2
    assert not scene.is_shared()
    assert "end again and again" in scene.reports[-1]


def test_a_canarys_worker_that_comes_back_keeps_its_share(scene: Scene, clock: list[float]) -> None:
    for pid in range(11, 20):
        scene.api.workers["2.0"] = set()
        scene.rollout.follow_canaries()
        clock[0] += GONE_FOR_S - 1
        scene.api.workers["2.0"] = {pid}
        scene.rollout.follow_canaries()
        clock[0] += 300
    assert scene.is_shared()


def test_a_canary_is_withdrawn_though_the_disk_is_full(
    scene: Scene, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.api.workers["2.0"] = set()
    scene.rollout.follow_canaries()
    clock[0] += GONE_FOR_S
    scene.front.failures = [StorageError("nginx.conf could not be written")]
    scene.rollout.follow_canaries()
    assert scene.rollout.list()[1]["canary_percent"] == 10
    assert "is not withdrawn: nginx.conf could" in scene.reports[-1]

    def full(wanted: object) -> None:
        raise StorageError("no room")

    write = scene.rollout.file.write
    monkeypatch.setattr(scene.rollout.file, "write", full)
    scene.rollout.follow_canaries()
    clock[0] += GONE_FOR_S
    scene.rollout.follow_canaries()
    assert scene.front.shares == []
    assert scene.rollout.list()[1]["canary_withdrawn"]
    assert scene.reports[-1] == "that could not be written down: no room"
    num_reports = len(scene.reports)

    scene.rollout.follow_canaries()
    assert len(scene.reports) == num_reports
    monkeypatch.setattr(scene.rollout.file, "write", write)
    scene.rollout.follow_canaries()
    assert not scene.is_shared()


def test_what_is_written_down_already_needs_no_room_at_the_next_start(
    scene: Scene, clock: list[float]
) -> None:
    before = (scene.store / WANTED).read_bytes()
    with files_at_most(100):
        scene.rollout.remember()
        scene.api.workers["2.0"] = set()
        scene.rollout.follow_canaries()
        clock[0] += GONE_FOR_S
        scene.rollout.follow_canaries()
        assert "that could not be written down" in scene.reports[-1]
        scene.rollout.remember()
    assert (scene.store / WANTED).read_bytes() == before
    scene.rollout.follow_canaries()
    assert not scene.is_shared()


def test_a_canary_that_is_not_loaded_yet_is_not_given_up(scene: Scene, clock: list[float]) -> None:
    scene.rollout.suspend()
    scene.rollout.begin(scene.api)  # another TorchServe, which has the default alone
    for _ in range(5):
        scene.rollout.follow_canaries()
        clock[0] += GONE_FOR_S
    scene.rollout.load_others()
    scene.rollout.follow_canaries()
    assert scene.is_shared()


def test_a_withdrawal_is_written_down_though_readyz_cannot_be(
    scene: Scene, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: str) -> None:
        raise StorageError("no room")

    scene.rollout.begin(scene.api).restore()
    scene.rollout.load_others()
    monkeypatch.setattr("docsort.serving.watch.write_if_changed", full)
    scene.api.workers["2.0"] = set()
    scene.rollout.follow_canaries()
    clock[0] += GONE_FOR_S
    scene.rollout.follow_canaries()
    assert scene.reports[-1] == "/readyz does not name that yet: no room"
    assert not scene.is_shared()


def test_looks_that_find_nothing_out_give_no_canary_up(
    scene: Scene, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(name: str, version: str) -> set[int]:
        raise ServingError("does not answer")

    def full(path: Path, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left")

    num_reports = len(scene.reports)
    for _ in range(MAX_LOSSES):
        with monkeypatch.context() as patch:
            patch.setattr(scene.api, "ready_workers", silent)
            for _ in range(2):
                scene.rollout.follow_canaries()
                clock[0] += GONE_FOR_S
        scene.rollout.follow_canaries()
    assert scene.is_shared()
    said = ["the canary tiny 2.0 cannot be looked at: does not answer"] * MAX_LOSSES
    assert scene.reports[num_reports:] == said

    scene.api.workers["2.0"] = {11}
    with monkeypatch.context() as patch:
        patch.setattr("docsort.serving.watch.unpack_archive", full)
        for _ in range(MAX_LOSSES):
            scene.rollout.follow_canaries()
            clock[0] += GONE_FOR_S
    scene.rollout.follow_canaries()
    assert scene.is_shared()
    assert "No space left" in scene.reports[-1]
