"""A change of versions that fails half way leaves all as it was: file, TorchServe, Nginx."""

import errno
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.fault_trial import of_version
from docsort.commands.models import _role
from docsort.core.errors import ArchiveError, ServingError, StorageError
from docsort.core.golden import read_golden
from docsort.serving.canaries import GONE_FOR_S, MAX_LOSSES
from docsort.serving.external_front import ExternalFront
from docsort.serving.loading import hidden, load
from docsort.serving.mar import ArchiveInfo, read_archive
from docsort.serving.nginx import Share
from docsort.serving.rollout import Rollout
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import WANTED, find_wanted, read_wanted
from docsort.serving.watch import Watch
from tests.core.test_disk import files_at_most
from tests.serving.test_mar import rewrite


class FakeApi(TorchServeApi):
    """A TorchServe that takes everything, and gives the golden answers."""

    def __init__(self, bundles: dict[str, Path]) -> None:
        self.bundles = bundles
        self.default = ""
        self.workers = {"1.0": {10}, "2.0": {10}}

    def register(self, file: str, name: str, version: str, settings: ServeSettings) -> None:
        pass

    def unregister(self, name: str, version: str) -> None:
        pass

    def set_default(self, name: str, version: str) -> None:
        self.default = version

    def ready_workers(self, name: str, version: str) -> set[int]:
        return set(self.workers[version])

    def scores(self, info: ArchiveInfo, texts: Sequence[str]) -> np.ndarray:
        golden = read_golden(self.bundles[info.version])
        return np.array([document.probabilities for document in golden])


class FakeFront(ExternalFront):
    """Nginx in memory, which fails as often as it is told to."""

    shares: Sequence[Share] = ()
    failures: Sequence[Exception] = ()

    def apply(self, shares: Sequence[Share], inference_token: str | None = None) -> None:
        self.shares = shares
        if self.failures:
            failure, *self.failures = self.failures
            raise failure


@dataclass
class Scene:
    """tiny 1.0 by default, with 2.0 as a canary of 10 %, and all that the rollout told."""

    rollout: Rollout
    api: FakeApi
    front: FakeFront
    store: Path
    reports: list[str]

    def is_shared(self) -> bool:
        """Whether Nginx gives the canary its share; it does so as long as it is wanted to."""
        (tiny,) = read_wanted(self.store)
        (_, second) = self.rollout.list()
        shared = self.front.shares == [Share("tiny", "2.0", 10)]
        assert shared == (tiny.canary_version == "2.0") == (second["canary_percent"] == 10)
        assert shared == (tiny.withdrawn is None) == (not second["canary_withdrawn"])
        return shared


@pytest.fixture
def scene(tiny_bundle: Path, other_bundle: Path, store: Path, tmp_path: Path) -> Scene:
    own_store = Path(shutil.copytree(store, tmp_path / "store"))
    run_dir = RunDir(tmp_path / "run", lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    settings = ServeSettings(own_store, run_dir.path)
    (tiny,) = find_wanted(own_store, sorted(own_store.glob("*.mar")))
    api, front = FakeApi({"1.0": tiny_bundle, "2.0": other_bundle}), FakeFront(settings, run_dir)
    reports: list[str] = []
    wanted = WantedModel("tiny", "1.0", tiny.versions)
    rollout = Rollout(settings, run_dir, front, [wanted], reports.append)
    rollout.begin(api)
    rollout.load_others()
    rollout.canary("tiny", "2.0", 10)
    return Scene(rollout, api, front, own_store, reports)


@pytest.mark.parametrize("error", [ServingError("refused"), OSError(28, "No space left")])
def test_a_promotion_that_fails_is_undone(scene: Scene, error: Exception) -> None:
    rollout, api, front, own_store = scene.rollout, scene.api, scene.front, scene.store
    reports = scene.reports
    before = (read_wanted(own_store), rollout.list(), api.default, front.shares)
    assert before[2:] == ("1.0", [Share("tiny", "2.0", 10)])

    front.failures = [error]
    with pytest.raises(type(error)):
        rollout.promote("tiny", "2.0")
    assert (read_wanted(own_store), rollout.list(), api.default, front.shares) == before
    assert not any("undone" in report for report in reports)

    front.failures = [error, error]
    with pytest.raises(type(error)):
        rollout.promote("tiny", "2.0")
    assert (read_wanted(own_store), rollout.list(), api.default, front.shares) == before
    assert "not all of it is undone" in reports[-1]

    rollout.promote("tiny", "2.0")
    assert (api.default, front.shares) == ("2.0", [])

    front.failures = [error]
    rollout.load_others()  # in a thread whose exceptions nobody reads
    assert reports[-1] == str(error)


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


def test_what_is_remembered_is_no_state_that_an_operator_changes_just_now(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = scene.rollout.file.write
    held: list[bool] = []

    def write_and_look(wanted: Sequence[WantedModel]) -> None:
        held.append(scene.rollout._changing.locked())
        write(wanted)

    monkeypatch.setattr(scene.rollout.file, "write", write_and_look)
    scene.rollout.remember()
    assert held == [True]


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


def test_what_is_in_force_is_no_failure_though_readyz_cannot_name_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: str) -> None:
        raise StorageError("no room")

    rollout, said = scene.rollout, "/readyz does not name that yet: no room"
    third = of_version(scene.store / "tiny-1.0.mar", scene.store.parent / "third.mar", {})
    scene.api.bundles["3.0"], scene.api.workers["3.0"] = scene.api.bundles["1.0"], {10}
    watch = rollout.begin(scene.api)
    watch.restore()
    monkeypatch.setattr("docsort.serving.watch.write_if_changed", full)
    rollout.register(str(third), None)
    assert (scene.store / "tiny-3.0.mar").exists()
    assert scene.reports[-1] == said
    rollout.promote("tiny", "3.0")
    assert scene.reports[-2:] == [said, said]
    (tiny,) = read_wanted(scene.store)
    assert (scene.api.default, tiny.default) == ("3.0", "3.0")
    assert watch.follow() is None
    assert watch.run_dir.ready.exists()


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


def test_an_archive_that_was_overwritten_is_never_loaded(scene: Scene) -> None:
    rollout, first, second = scene.rollout, *sorted(scene.store.glob("*.mar"))
    rewrite(second, {"docsort_handler.py": b"other code"})
    rollout.begin(scene.api)  # as TorchServe has ended
    rollout.load_others()
    said = "tiny-2.0.mar is not the archive of tiny 2.0 that was registered"
    assert scene.reports[-1].startswith("tiny-2.0.mar is left out")
    assert said in scene.reports[-1]
    assert [version["ready"] for version in rollout.list()] == [True, False]
    with pytest.raises(ServingError, match=said):
        rollout.promote("tiny", "2.0")
    shutil.copy(second, first)
    with pytest.raises(ServingError, match=r"tiny-1\.0\.mar is not the archive of tiny 1\.0"):
        rollout.begin(scene.api)


def test_who_names_a_version_is_told_to_wait_only_as_long_as_it_may_come(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, run_dir = scene.rollout, RunDir(scene.store.parent / "run", lock=-1)
    gate = run_dir.unloaded("tiny", "2.0")
    assert not gate.exists()
    rollout.begin(scene.api)
    assert gate.exists()
    assert not run_dir.unloaded("tiny", "1.0").exists()
    rollout.load_others()
    assert not gate.exists()

    rollout.canary("tiny", "2.0", 0)
    rollout.begin(scene.api)
    monkeypatch.setattr(rollout, "_drain", stops_here)
    with pytest.raises(ServingError, match="stops here"):
        rollout.retire("tiny", "2.0")
    assert not gate.exists()

    rollout.begin(scene.api)
    (scene.store / "tiny-2.0.mar").unlink()
    rollout.load_others()
    assert "is left out" in scene.reports[-1]
    assert not gate.exists()


def stops_here(name: str, version: str) -> None:
    raise ServingError("stops here")


def test_what_an_ended_torchserve_had_is_not_told_of_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, ready = scene.rollout, RunDir(scene.store.parent / "run", lock=-1).ready
    begun: list[Watch] = []

    def begin_anew(*arguments: object) -> None:
        rollout._loading.release()
        with monkeypatch.context() as patch:
            patch.setattr(FakeApi, "register", lambda *arguments: None)
            begun.append(rollout.begin(scene.api))
        rollout._loading.acquire()
        begun[0].restore()

    monkeypatch.setattr(FakeApi, "register", begin_anew)
    rollout.load_others()
    assert json.loads(ready.read_text())["models"]["tiny"]["versions"] == ["1.0"]
    rollout.follow_canaries()  # of which the next has none yet
    assert scene.is_shared()


def test_nothing_is_loaded_for_a_torchserve_that_has_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, tried = scene.rollout, []
    third = of_version(scene.store / "tiny-1.0.mar", scene.store.parent / "third.mar", {})
    scene.api.bundles["3.0"], scene.api.workers["3.0"] = scene.api.bundles["1.0"], {10}
    rollout.register(str(third), None)
    rollout.begin(scene.api)
    num_reports = len(scene.reports)

    def end(api: FakeApi, file: str, name: str, version: str, settings: ServeSettings) -> None:
        tried.append(version)
        rollout.suspend()
        raise ServingError("does not answer")

    monkeypatch.setattr(FakeApi, "register", end)
    rollout.load_others()
    rollout.load_others()
    assert tried == ["2.0"]
    assert scene.reports[num_reports:] == ["loading tiny 2.0"]


def test_an_archive_that_vanished_is_told_as_one(scene: Scene) -> None:
    info = read_archive(scene.store / "tiny-2.0.mar")
    info.path.unlink()
    run_dir = RunDir(scene.store.parent / "run", lock=-1)
    watch = Watch(scene.api, run_dir, scene.store, ())
    with pytest.raises(ArchiveError, match="cannot be read any more"):
        load(watch, info, ServeSettings(scene.store, run_dir.path))


def test_what_the_system_refuses_is_told_as_such(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = RunDir(scene.store.parent / "run", lock=-1)

    def refused(path: Path, *arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", refused)
        with pytest.raises(ServingError, match="tiny~ cannot be made"), hidden(run_dir, "tiny"):
            pass
    scene.api.workers["2.0"] = {11}
    monkeypatch.setattr("docsort.serving.watch.unpack_archive", refused)
    with pytest.raises(ServingError, match=r"tiny 2\.0 cannot be proved"):
        scene.rollout.promote("tiny", "2.0")
    shutil.rmtree(run_dir.temporary)
    with pytest.raises(ServingError, match="tmp cannot be used"):
        scene.rollout.begin(scene.api)
