"""A change of versions that fails half way leaves all as it was: file, TorchServe, Nginx."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from docsort.core.errors import ServingError
from docsort.core.golden import read_golden
from docsort.serving.external_front import ExternalFront
from docsort.serving.mar import ArchiveInfo
from docsort.serving.nginx import Share
from docsort.serving.rollout import Rollout
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import find_wanted, read_wanted


class FakeApi(TorchServeApi):
    """A TorchServe that takes everything, and gives the golden answers."""

    def __init__(self, bundles: dict[str, Path]) -> None:
        self.bundles = bundles
        self.default = ""

    def register(self, file: str, name: str, version: str, settings: ServeSettings) -> None:
        pass

    def set_default(self, name: str, version: str) -> None:
        self.default = version

    def ready_workers(self, name: str, version: str) -> set[int]:
        return {10}

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


@pytest.mark.parametrize("error", [ServingError("refused"), OSError(28, "No space left")])
def test_a_promotion_that_fails_is_undone(
    tiny_bundle: Path, other_bundle: Path, store: Path, tmp_path: Path, error: Exception
) -> None:
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
