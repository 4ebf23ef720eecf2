"""Which default versions have a worker that gave the golden answers, as long as the server runs.

TorchServe starts a dead worker again by itself; whether the new one answers rightly is asked here.
Knows no processes and no Nginx: readiness is a file.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from docsort.core.errors import DocsortError, ServingError
from docsort.core.golden import check_golden
from docsort.serving.mar import read_archive, unpack_archive
from docsort.serving.run_dir import RunDir
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.wanted import WantedModel, WantedVersion, readiness, write_atomically


@dataclass
class Watch:
    """Keeps what /readyz answers true to what TorchServe's workers can do."""

    api: TorchServeApi
    run_dir: RunDir
    store: Path
    wanted: Sequence[WantedModel]
    _proved: dict[tuple[str, str], set[int]] = field(default_factory=dict)  # workers' process ids

    def prove(self, model: WantedModel, version: WantedVersion) -> None:
        """Have a registered version answer its archive's golden documents.

        Raises:
            ArchiveError: its archive cannot be read any more.
            BundleError: it answers otherwise.
            ServingError: it does not answer, or lost all workers meanwhile.
        """
        before = self.api.ready_workers(model.name, version.version)
        info = read_archive(self.store / version.file)
        with tempfile.TemporaryDirectory(prefix="proof-", dir=self.run_dir.temporary) as folder:
            unpack_archive(info.path, Path(folder))

            def score(texts: list[str]) -> np.ndarray:
                return self.api.scores(info, texts)

            check_golden(Path(folder) / "bundle", score)
        # one that came or went meanwhile may not be the one that answered
        proved = before & self.api.ready_workers(model.name, version.version)
        if not proved:
            raise ServingError(
                f"{model.name} {version.version} lost its workers while it was being proved"
            )
        self._proved[model.name, version.version] = proved

    def follow(self) -> str | None:
        """Withdraw or restore readiness, proving again what has only new workers.

        Returns why the server is not ready, None where it is.
        """
        try:
            for model in self.wanted:
                self._follow_model(model)
            self.restore()
        except (DocsortError, OSError) as error:  # a full disk ends no server that still answers
            self.withdraw()
            return str(error)
        return None

    def withdraw(self) -> None:
        """From now on /readyz answers 503."""
        self.run_dir.ready.unlink(missing_ok=True)

    def restore(self) -> None:
        """From now on /readyz answers 200."""
        if not self.run_dir.ready.exists():
            write_atomically(self.run_dir.ready, readiness(self.wanted))

    def _follow_model(self, model: WantedModel) -> None:
        version = model.default_version
        workers = self.api.ready_workers(model.name, version.version)
        if workers & self._proved.get((model.name, version.version), set()):
            return
        self.withdraw()
        if not workers:
            raise ServingError(f"{model.name} {version.version} has no worker that is ready")
        self.prove(model, version)
