"""The wanted state: which versions serve and which are the defaults, in one file of the store.

The supervisor makes TorchServe and Nginx agree with it; nothing else remembers versions over a
restart.
"""

import fcntl
import json
import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docsort.core.disk import write_if_changed
from docsort.core.errors import ServingError
from docsort.serving.mar import ArchiveInfo, read_archive
from docsort.serving.store import archives_in, clear_staging, newest_of_each
from docsort.serving.versions import Canary, WantedModel, WantedVersion

WANTED = "serving.json"
_SCHEMA_VERSION = 1


class EmptyStoreError(ServingError):
    """The store holds no archive."""


class WantedFile:
    """The store's wanted state, which one supervisor at a time may write."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._began = store.stat()
        self._lock: int | None = None

    @property
    def is_read_only(self) -> bool:
        """Whether this user may write nothing into the store."""
        return is_read_only(self._store)

    def check(self) -> None:
        """Raise ServingError where no change can be written: the store is gone or read-only."""
        self._check_place()
        if self.is_read_only:
            raise ServingError(
                f"the store {self._store} is read-only for this user, so its versions cannot be "
                "changed; to change them, start docsort serve from a store that it may write"
            )

    def _check_place(self) -> None:
        try:
            is_same = os.path.samestat(self._began, self._store.stat())
        except OSError as error:
            raise ServingError(
                f"the store {self._store} is gone ({error.strerror}), so nothing can be changed; "
                "put it back, or start docsort serve again with --store"
            ) from error
        if not is_same:
            raise ServingError(
                f"the store {self._store} is another folder than the one that is served, so "
                "nothing can be changed; put that one back, or start docsort serve again"
            )

    def own(self) -> None:
        """Hold it until this process ends, and clear what a killed holder was registering.

        A read-only store has no holder: any number of servers may serve it, and a read-only
        folder cannot be locked over NFS.

        Raises ServingError while another holds it.
        """
        if self._lock is not None:
            return
        self._check_place()
        if self.is_read_only:
            return
        try:
            lock = os.open(self._store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ServingError(f"--store {self._store}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise ServingError(
                f"another docsort serves what {self._store / WANTED} wants; stop it, or give this "
                "one another --store"
            ) from error
        except OSError as error:
            os.close(lock)
            raise ServingError(
                f"the store {self._store} cannot be locked: {error.strerror}"
            ) from error
        self._lock = lock
        clear_staging(self._store)

    def write(self, wanted: Sequence[WantedModel]) -> None:
        """Replace it atomically. Raises ServingError."""
        self.own()
        self._check_place()
        try:
            write_wanted(self._store, wanted)
        except OSError as error:
            raise ServingError(
                f"{self._store / WANTED} cannot be written: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Let another supervisor have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def is_read_only(store: Path) -> bool:
    """Whether this user may write nothing into a store."""
    return not os.access(store, os.W_OK | os.X_OK)


def readiness(wanted: Sequence[WantedModel], proved: Container[tuple[str, str]]) -> str:
    """What /readyz answers when all is well: of each name, the versions that are proved."""
    models = {
        model.name: {
            "default": model.default,
            "versions": [v.version for v in model.versions if (model.name, v.version) in proved],
        }
        for model in wanted
    }
    return json.dumps({"status": "ready", "models": models}) + "\n"


def wanted_from(archives: Sequence[ArchiveInfo]) -> tuple[WantedModel, ...]:
    """Serve these archives, the newest of each name by default."""
    newest = newest_of_each(archives)
    return tuple(
        WantedModel(
            name,
            newest[name].version,
            tuple(version_of(info) for info in archives if info.name == name),
        )
        for name in sorted(newest)
    )


def version_of(info: ArchiveInfo) -> WantedVersion:
    """An archive of the store as a version that is registered now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return WantedVersion(info.version, info.path.name, info.sha256, now)


def find_wanted(store: Path, archives: Sequence[Path]) -> tuple[WantedModel, ...]:
    """What to serve: the given archives, else the store's wanted state, else its newest versions.

    Raises:
        ArchiveError: an archive cannot be read; of the wanted state, one of a default version.
        EmptyStoreError: there is nothing to serve.
        ServingError: the store cannot be read, the wanted state cannot be understood, or a default
            version's archive is another than the one that was registered.
    """
    if archives:
        infos = {info.sha256: info for info in map(read_archive, archives)}
        return wanted_from(list(infos.values()))
    if (store / WANTED).exists():
        wanted = read_wanted(store)
        for model in wanted:  # the others are looked at when they are loaded, and may be left out
            read_version(store, model.name, model.default_version)
        return wanted
    if store.exists() and not os.access(store, os.R_OK | os.X_OK):
        raise ServingError(
            f"the store {store} cannot be read by uid {os.getuid()}; let everybody read it: "
            "chmod o+rx"
        )
    newest = newest_of_each(archives_in(store))
    if not newest:
        raise EmptyStoreError(
            f"the store {store} holds no archive; `docsort archive --bundle DIR --store {store}` "
            "puts one there"
        )
    return wanted_from(list(newest.values()))


def read_version(store: Path, name: str, version: WantedVersion) -> ArchiveInfo:
    """The archive of a wanted version.

    Raises:
        ArchiveError: the archive cannot be read.
        ServingError: it is another than the one that was registered.
    """
    info = read_archive(store / version.file)
    found = (info.name, info.version, info.sha256)
    if found != (name, version.version, version.sha256):
        raise ServingError(
            f"{info.path} is not the archive of {name} {version.version} that was registered, "
            f"which has the SHA-256 {version.sha256}; put that one back, or delete "
            f"{store / WANTED} to begin anew"
        )
    return info


def read_wanted(store: Path) -> tuple[WantedModel, ...]:
    """Read the store's wanted state. Raises ServingError where it cannot be understood."""
    file = store / WANTED
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema_version"] != _SCHEMA_VERSION:
            raise ServingError(
                f"{file} has schema version {content['schema_version']}; this docsort reads "
                f"{_SCHEMA_VERSION}. Delete it to serve the newest version of each name"
            )
        models = tuple(_model_from(name, model) for name, model in content["models"].items())
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServingError(
            f"{file} cannot be understood ({error!r}); delete it to serve the newest version of "
            "each name"
        ) from error
    if not models:
        raise ServingError(
            f"{file} names no model; delete it to serve the newest version of each name"
        )
    return models


def write_wanted(store: Path, wanted: Sequence[WantedModel]) -> None:
    """Replace the store's wanted state, whole or not at all; one that stands there stays."""
    models = {model.name: _content_of(model) for model in wanted}
    content = {"schema_version": _SCHEMA_VERSION, "models": models}
    write_if_changed(store / WANTED, json.dumps(content, indent=2) + "\n")


def _content_of(model: WantedModel) -> dict[str, Any]:
    versions = {known.version: asdict(known) for known in model.versions}
    for said in versions.values():
        del said["version"]
    return {
        "default": model.default,
        "previous": model.previous,
        "canary": asdict(model.canary) if model.canary else None,
        "withdrawn": model.withdrawn,
        "versions": versions,
    }


def _model_from(name: str, content: Mapping[str, Any]) -> WantedModel:
    versions = tuple(
        WantedVersion(version, said["file"], said["sha256"], said["registered"])
        for version, said in content["versions"].items()
    )
    canary = Canary(**content["canary"]) if content["canary"] else None
    return WantedModel(
        name,
        content["default"],
        versions,
        content["previous"],
        canary,
        content.get("withdrawn"),  # earlier files lack it
    )
