"""Which default versions have a worker that was ready when they gave their golden answers.

TorchServe starts a dead worker again by itself; once none is left of those, the version is asked
again. TorchServe chooses who answers: of several workers, one may have given all of the answers.
Knows no processes and no Nginx: readiness is a file.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from docsort.core.disk import full_disk_as_error, write_if_changed
from docsort.core.errors import ArchiveError, BundleError, DocsortError, ServingError
from docsort.core.golden import check_golden
from docsort.serving.mar import ArchiveInfo, unpack_archive
from docsort.serving.run_dir import RunDir
from docsort.serving.torchserve import TorchServeApi
from docsort.serving.versions import WantedModel, WantedVersion
from docsort.serving.wanted import read_version, readiness


@dataclass
class Watch:
    """Keeps what /readyz answers true to what TorchServe's workers can do."""

    api: TorchServeApi
    run_dir: RunDir
    store: Path
    wanted: Sequence[WantedModel]
    _proved: dict[tuple[str, str], set[int]] = field(default_factory=dict)  # workers' process ids
    _archives: dict[tuple[str, str], ArchiveInfo] = field(default_factory=dict)

    def prove(self, info: ArchiveInfo) -> None:
        """Have a registered version answer its archive's golden documents.

        Raises:
            ArchiveError: its archive cannot be read any more.
            BundleError: it answers otherwise.
            ServingError: it does not answer, or not as docsort's archives do; it lost all workers
                meanwhile; or its archive cannot be unpacked.
            StorageError: there is no room to unpack it.
        """
        before = self.api.ready_workers(info.name, info.version)
        if not before:
            raise ServingError(f"{info.name} {info.version} has no worker that is ready")
        temporary = self.run_dir.temporary

        def score(texts: list[str]) -> np.ndarray:
            return self.api.scores(info, texts)

        try:
            with (
                full_disk_as_error(temporary),
                tempfile.TemporaryDirectory(prefix="proof-", dir=temporary) as folder,
            ):
                unpack_archive(info.path, Path(folder))
                check_golden(Path(folder) / "bundle", score)
        except OSError as error:
            raise ServingError(f"{info.name} {info.version} cannot be proved: {error}") from error
        # one that came or went meanwhile may not be the one that answered
        proved = before & self.api.ready_workers(info.name, info.version)
        if not proved:
            raise ServingError(f"{info.name} {info.version} lost its workers while it was proved")
        self._proved[info.name, info.version] = proved
        self._archives[info.name, info.version] = info

    def ensure(self, name: str, version: WantedVersion) -> None:
        """Have a version prove itself unless a worker that did so is ready.

        Raises as ``prove``, and as ``read_version``.
        """
        if not self.proved_workers(name, version.version):
            self.prove(read_version(self.store, name, version))

    def try_to_ensure(self, name: str, version: WantedVersion) -> tuple[bool, str | None]:
        """Whether a proved worker was ready, and why none is now: None where there is one.

        Raises DocsortError or OSError where that cannot be found out: TorchServe's management API
        does not answer, or there is no room for a proof. It says nothing about the workers.
        """
        ready = self.api.ready_workers(name, version.version)
        if ready & self._proved.get((name, version.version), set()):
            return True, None
        if not ready:
            return False, f"{name} {version.version} has no worker that is ready"
        try:
            self.prove(read_version(self.store, name, version))
        except (ArchiveError, BundleError, ServingError) as error:
            self.api.ready_workers(name, version.version)  # its word counts while it can be asked
            return False, str(error)
        return False, None

    def proved_workers(self, name: str, version: str) -> set[int]:
        """Process ids of a version's ready workers that were so when it gave the golden answers."""
        ready = self.api.ready_workers(name, version)
        return ready & self._proved.get((name, version), set())

    def verified_archive(self, name: str, version: str) -> ArchiveInfo | None:
        """The archive by which a version was verified in this TorchServe, None if it never was."""
        return self._archives.get((name, version))

    def tell(self, wanted: Sequence[WantedModel]) -> None:
        """Follow another wanted state from now on; /readyz names it at once if it answers 200."""
        self.wanted = wanted
        if self.run_dir.ready.exists():
            self.restore()

    def follow(self) -> str | None:
        """Withdraw or restore readiness, proving again what has only new workers.

        Returns why the server is not ready, None where it is.
        """
        try:
            for model in self.wanted:
                self._follow_model(model)
        except (DocsortError, OSError) as error:  # a full disk ends no server that still answers
            self.withdraw()
            return str(error)
        try:
            self.restore()
        except (DocsortError, OSError) as error:
            # that it is ready is true, though for want of room it names the versions of before
            return None if self.run_dir.ready.exists() else str(error)
        return None

    def withdraw(self) -> None:
        """From now on /readyz answers 503."""
        self.run_dir.ready.unlink(missing_ok=True)

    def restore(self) -> None:
        """From now on /readyz answers 200, and names the versions that have proved themselves."""
        write_if_changed(self.run_dir.ready, readiness(self.wanted, self._proved))

    def _follow_model(self, model: WantedModel) -> None:
        if not self.proved_workers(model.name, model.default):
            self.withdraw()
            self.ensure(model.name, model.default_version)
