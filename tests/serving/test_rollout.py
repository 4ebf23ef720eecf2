"""A change of versions that fails half way leaves all as it was: file, TorchServe, Nginx."""

import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.fault_trial import of_version
from docsort.commands.models import _role
from docsort.core.errors import ArchiveError, ServingError, StorageError
from docsort.serving.loading import hidden, load
from docsort.serving.mar import read_archive
from docsort.serving.nginx import Share
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import WANTED, read_wanted
from docsort.serving.watch import Watch
from tests.serving.rollout_scene import FakeApi, Scene
from tests.serving.test_mar import rewrite, with_bundle


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


def all_changes(scene: Scene) -> list[Callable[[], str]]:
    rollout, archive = scene.rollout, str(scene.store / "tiny-1.0.mar")
    return [
        lambda: rollout.canary("tiny", "2.0", 20),
        lambda: rollout.canary("tiny", "2.0", 0),
        lambda: rollout.promote("tiny", "2.0"),
        lambda: rollout.rollback("tiny"),
        lambda: rollout.retire("tiny", "1.0"),
        lambda: rollout.register(archive, None),
    ]


def test_every_change_is_refused_where_the_store_was_moved(scene: Scene) -> None:
    scene.rollout.promote("tiny", "2.0")
    scene.store.rename(scene.store.with_name("moved"))
    for change in all_changes(scene):
        with pytest.raises(ServingError, match=rf"the store {scene.store} is gone"):
            change()
    assert not scene.store.exists()
    assert scene.api.default == "2.0"


def test_a_read_only_store_is_served_and_never_changed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.rollout.promote("tiny", "2.0")
    (scene.store / WANTED).unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    scene.rollout.remember()
    for change in all_changes(scene):
        with pytest.raises(ServingError, match=rf"the store {scene.store} is read-only"):
            change()
    assert not (scene.store / WANTED).exists()
    assert scene.api.default == "2.0"


def test_a_version_whose_archive_is_gone_is_no_new_default(scene: Scene) -> None:
    (scene.store / "tiny-2.0.mar").unlink()
    for change in all_changes(scene)[::2][:2]:
        with pytest.raises(ServingError, match=r"tiny-2\.0\.mar is gone"):
            change()
    assert scene.api.default == "1.0"


@pytest.fixture
def of_another_task(scene: Scene) -> Scene:
    """The scene with tiny 3.0 of several labels, one of them new."""
    third = of_version(scene.store / "tiny-1.0.mar", scene.store.parent / "third.mar", {})
    with_bundle(third, task="multi_label", labels=["finance", "medicine", "news"])
    scene.api.bundles["3.0"], scene.api.workers["3.0"] = scene.api.bundles["1.0"], {10}
    said = scene.rollout.register(str(third), None)
    assert "Its task is multi_label, and that of 1.0 is single_label." in said
    assert "Labels that 1.0 does not have: 'news'." in said
    return scene


def test_a_version_of_another_task_answers_only_by_force(of_another_task: Scene) -> None:
    rollout, api, store = of_another_task.rollout, of_another_task.api, of_another_task.store
    before = read_wanted(store)
    for change in (
        lambda: rollout.canary("tiny", "3.0", 10),
        lambda: rollout.promote("tiny", "3.0"),
    ):
        with pytest.raises(ServingError, match=r"3\.0 is a model of the task multi_label.*--force"):
            change()
    assert read_wanted(store) == before
    assert "Its task is multi_label" in rollout.canary("tiny", "3.0", 10, force=True)
    assert "%" in rollout.canary("tiny", "3.0", 0)
    assert "only 1.0 has: 'sport'" in rollout.promote("tiny", "3.0", force=True)
    assert api.default == "3.0"
    assert "Its task is single_label" in rollout.rollback("tiny")  # back needs no force
    assert api.default == "1.0"


def test_a_retiring_version_is_listed_as_such_and_not_ready(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout, seen = scene.rollout, []
    ready = RunDir(scene.store.parent / "run", lock=-1).ready
    rollout.canary("tiny", "2.0", 0)
    rollout._serving().restore()

    def look(name: str, version: str) -> None:
        second = rollout.list()[1]
        seen.append((second["state"], second["ready"], _role(second), versions_of(ready)))
        raise ServingError("stops here")

    monkeypatch.setattr(rollout, "_drain", look)
    with pytest.raises(ServingError, match="stops here"):
        rollout.retire("tiny", "2.0")
    assert seen == [("retiring", False, "nobody", ["1.0"])]
    assert [version["state"] for version in rollout.list()] == ["ready", "ready"]
    assert versions_of(ready) == ["1.0", "2.0"]


def test_a_retirement_that_fails_at_once_can_be_tried_again(scene: Scene) -> None:
    scene.rollout.canary("tiny", "2.0", 0)
    unloaded = RunDir(scene.store.parent / "run", lock=-1).unloaded("tiny", "2.0")
    unloaded.mkdir()  # a file that cannot be removed
    for _ in range(2):
        with pytest.raises(OSError, match=r"directory|permitted"):
            scene.rollout.retire("tiny", "2.0")
        assert [version["state"] for version in scene.rollout.list()] == ["ready", "loading"]


def versions_of(ready: Path) -> list[str]:
    versions: list[str] = json.loads(ready.read_text())["models"]["tiny"]["versions"]
    return versions


def test_states_of_a_version_that_does_not_answer(scene: Scene) -> None:
    rollout = scene.rollout

    def states() -> list[str]:
        return [version["state"] for version in rollout.list()]

    assert states() == ["ready", "ready"]
    scene.api.workers["2.0"] = set()
    assert states() == ["ready", "not ready"]
    scene.api.workers["2.0"] = {10}
    rollout.suspend()
    assert states() == ["unavailable", "unavailable"]
    rollout.begin(scene.api)
    assert states() == ["ready", "loading"]
    (scene.store / "tiny-2.0.mar").unlink()
    rollout.load_others()
    assert states() == ["ready", "left out"]
    assert _role(rollout.list()[1]) == "nobody"  # though it is a canary of 10 %


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
