"""The wanted state: which versions serve and which are the defaults, in one file of the store.

The supervisor makes TorchServe agree with it; nothing else remembers versions over a restart.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docsort.core.errors import ServingError
from docsort.serving.mar import ArchiveInfo, read_archive
from docsort.serving.store import archives_in, newest_of_each

WANTED = "serving.json"
_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class WantedVersion:
    """One version of a model: the archive's file name in the store, and its SHA-256."""

    version: str
    file: str
    sha256: str


@dataclass(frozen=True)
class WantedModel:
    """A name with its versions, one of which answers when none is asked for."""

    name: str
    default: str
    versions: tuple[WantedVersion, ...]

    def __post_init__(self) -> None:
        names = [version.version for version in self.versions]
        if self.default not in names or len(set(names)) != len(names):
            raise ServingError(
                f"model {self.name}: its default {self.default} must be one of its versions, each "
                f"named once: {', '.join(names) or 'none'}"
            )

    @property
    def default_version(self) -> WantedVersion:
        return next(version for version in self.versions if version.version == self.default)


def readiness(wanted: Sequence[WantedModel]) -> str:
    """What /readyz answers when all is well."""
    models = {
        model.name: {
            "default": model.default,
            "versions": [version.version for version in model.versions],
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
            tuple(
                WantedVersion(info.version, info.path.name, info.sha256)
                for info in archives
                if info.name == name
            ),
        )
        for name in sorted(newest)
    )


def find_wanted(store: Path, archives: Sequence[Path]) -> tuple[WantedModel, ...]:
    """What to serve: the given archives, else the store's wanted state, else its newest versions.

    Raises:
        ArchiveError: an archive cannot be read.
        ServingError: there is nothing to serve, or the wanted state does not fit the store.
    """
    if archives:
        infos = {info.sha256: info for info in map(read_archive, archives)}
        return wanted_from(list(infos.values()))
    if (store / WANTED).exists():
        wanted = read_wanted(store)
        check_wanted(store, wanted)
        return wanted
    newest = newest_of_each(archives_in(store))
    if not newest:
        raise ServingError(
            f"the store {store} holds no archive; `docsort archive --bundle DIR --store {store}` "
            "puts one there"
        )
    return wanted_from(list(newest.values()))


def check_wanted(store: Path, wanted: Sequence[WantedModel]) -> None:
    """Raise unless every wanted archive is in the store, with the bytes that were registered."""
    for model in wanted:
        for version in model.versions:
            info = read_archive(store / version.file)
            if (info.name, info.version, info.sha256) != (
                model.name,
                version.version,
                version.sha256,
            ):
                raise ServingError(
                    f"{store / version.file} is not the archive of {model.name} {version.version} "
                    f"that {store / WANTED} names; put that one back, or delete {WANTED}"
                )


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
        return tuple(_model_from(name, model) for name, model in content["models"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServingError(
            f"{file} cannot be understood ({error!r}); delete it to serve the newest version of "
            "each name"
        ) from error


def write_wanted(store: Path, wanted: Sequence[WantedModel]) -> None:
    """Replace the store's wanted state, whole or not at all."""
    models = {
        model.name: {
            "default": model.default,
            "versions": {v.version: {"file": v.file, "sha256": v.sha256} for v in model.versions},
        }
        for model in wanted
    }
    content = {"schema_version": _SCHEMA_VERSION, "models": models}
    write_atomically(store / WANTED, json.dumps(content, indent=2) + "\n")


def write_atomically(file: Path, text: str) -> None:
    """A reader, and a machine that loses power, sees the old content or the new."""
    descriptor, partial = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, file)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _model_from(name: str, content: Mapping[str, Any]) -> WantedModel:
    versions = tuple(
        WantedVersion(version, said["file"], said["sha256"])
        for version, said in content["versions"].items()
    )
    return WantedModel(name, content["default"], versions)
