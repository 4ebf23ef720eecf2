"""Readiness follows the workers: withdrawn without one, restored once a new one is proved."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from docsort.core.errors import BundleError, ServingError
from docsort.core.golden import read_golden
from docsort.serving.mar import ArchiveInfo
from docsort.serving.run_dir import RunDir
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import find_wanted
from docsort.serving.watch import Watch


class FakeApi(TorchServeApi):
    """A TorchServe whose workers come and go as a test says, with the golden answers."""

    def __init__(self, bundle: Path) -> None:
        self.workers: dict[str, set[int]] = {"1.0": {10}, "2.0": {20}}
        self.answers = np.array([document.probabilities for document in read_golden(bundle)])
        self.num_proofs = 0
        self.dies_while_proved = False

    def ready_workers(self, name: str, version: str) -> set[int]:
        return set(self.workers[version])

    def scores(self, info: ArchiveInfo, texts: Sequence[str]) -> np.ndarray:
        self.num_proofs += 1
        if self.dies_while_proved:
            self.workers[info.version] = {pid + 1 for pid in self.workers[info.version]}
        return self.answers


@pytest.fixture
def api(tiny_bundle: Path) -> FakeApi:
    return FakeApi(tiny_bundle)


@pytest.fixture
def watch(api: FakeApi, store: Path, tmp_path: Path) -> Watch:
    """Both versions are wanted, 1.0 by default, which is proved and ready."""
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    (tiny,) = find_wanted(store, sorted(store.glob("*.mar")))
    tiny = WantedModel("tiny", "1.0", tiny.versions)
    watch = Watch(api, run_dir, store, [tiny])
    watch.ensure("tiny", tiny.default_version)
    watch.restore()
    return watch


def test_proved_once_while_its_worker_stays(watch: Watch, api: FakeApi) -> None:
    api.workers["1.0"] |= {11}
    assert [watch.follow(), watch.follow()] == [None, None]
    assert watch.run_dir.ready.exists()
    assert api.num_proofs == 1


def test_no_worker(watch: Watch, api: FakeApi) -> None:
    api.workers["1.0"] = set()
    assert watch.follow() == "tiny 1.0 has no worker that is ready"
    assert not watch.run_dir.ready.exists()
    api.workers["1.0"] = {11}
    assert watch.follow() is None
    assert watch.run_dir.ready.exists()
    assert api.num_proofs == 2


def test_a_new_worker_between_two_looks_is_proved_too(watch: Watch, api: FakeApi) -> None:
    api.workers["1.0"] = {11}
    api.answers = api.answers[:, ::-1]
    said = watch.follow()
    assert said is not None
    assert "golden documents' probabilities differ" in said
    assert not watch.run_dir.ready.exists()


def test_a_worker_that_was_not_asked_proves_nothing(watch: Watch, api: FakeApi) -> None:
    api.workers["1.0"] = {11}
    api.dies_while_proved = True
    assert watch.follow() == "tiny 1.0 lost its workers while it was proved"
    assert not watch.run_dir.ready.exists()


def test_versions_that_are_no_default_do_not_count(watch: Watch, api: FakeApi) -> None:
    api.workers["2.0"] = set()
    assert watch.follow() is None
    assert watch.run_dir.ready.exists()


def test_a_torchserve_that_does_not_answer(
    watch: Watch, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(name: str, version: str) -> set[int]:
        raise ServingError("does not answer")

    monkeypatch.setattr(api, "ready_workers", silent)
    assert watch.follow() == "does not answer"
    assert not watch.run_dir.ready.exists()


def test_wrong_answers_are_an_error_at_the_start(watch: Watch, api: FakeApi) -> None:
    (tiny,) = watch.wanted
    api.workers["1.0"] = {11}
    api.answers = api.answers + 1
    with pytest.raises(BundleError, match="differ by up to 1"):
        watch.ensure("tiny", tiny.default_version)
