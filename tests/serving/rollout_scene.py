"""A rollout without servers: TorchServe and Nginx in memory, which fail as they are told to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from docsort.core.golden import read_golden
from docsort.serving.external_front import ExternalFront
from docsort.serving.mar import ArchiveInfo
from docsort.serving.nginx import Share
from docsort.serving.rollout import Rollout
from docsort.serving.settings import ServeSettings
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.wanted import read_wanted


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
