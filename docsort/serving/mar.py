"""The archive as a file: writing it so that equal content gives equal bytes, and reading it.

A ``.mar`` is a zip. Knows what must stand in docsort's archives, not how their parts are made.
"""

import json
import re
import shutil
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from docsort.core.bundle import NO_CODE, SCHEMA_VERSION, Manifest, manifest_from
from docsort.core.errors import ArchiveError, BundleError
from docsort.core.foreign_code import CONFIGURATIONS, code_key
from docsort.core.hashing import file_sha256

HANDLER = "docsort_handler.py"
MANIFEST = "MAR-INF/MANIFEST.json"
BUNDLE_MANIFEST = "bundle/bundle.json"
# What torch-model-archiver accepts as a name, and what Nginx lets through in a path. \Z, since $
# would let a final newline pass.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
NAME_RULE = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_REQUIRED = (MANIFEST, HANDLER, "docsort/__init__.py", "docsort/core/scorer.py", BUNDLE_MANIFEST)
# requirementsFile would install packages, configFile would override what registration asks for.
_MODEL_KEYS = {"modelName", "modelVersion", "handler"}

# What Python's zipfile raises where bytes of an archive were changed.
_DAMAGES = (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError, struct.error)


@dataclass(frozen=True)
class ArchiveInfo:
    """What an archive says of itself."""

    path: Path
    name: str
    version: str
    sha256: str
    task: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        check_name("archive name", self.name)
        check_name("archive version", self.version)


def check_name(what: str, value: str) -> None:
    """Raise ArchiveError where ``value`` cannot stand in a file name and in a request's path."""
    if not NAME.match(value):
        raise ArchiveError(f"{what} {value!r} is not accepted; it must be {NAME_RULE}")


def write_mar(folder: Path, target: Path) -> None:
    """Zip a folder: entries sorted, times fixed, nothing compressed.

    Weights hardly compress, and another zlib would give other bytes.
    """
    files = sorted(
        (file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file()
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, file in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.file_size = file.stat().st_size
            with file.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def read_archive(path: str | Path) -> ArchiveInfo:
    """Inspect an archive without unpacking it.

    Raises:
        ArchiveError: not there, truncated, climbing out of its folder, or not one of docsort's;
            or its bundle is truncated or of another schema version.
    """
    file = Path(path)
    with _opened(file) as archive:
        model = _model_of(file, _json_in(file, archive, MANIFEST))
        bundle = _bundle_of(file, archive)
    return ArchiveInfo(
        path=file,
        name=str(model["modelName"]),
        version=str(model["modelVersion"]),
        sha256=file_sha256(file),
        task=bundle.task,
        labels=bundle.labels,
    )


def unpack_archive(path: Path, folder: Path) -> None:
    """Unpack into ``folder``, checking each file's CRC. Raises ArchiveError."""
    with _opened(path) as archive:
        try:
            archive.extractall(folder)
        except _DAMAGES as error:
            raise _damaged(path, error) from error


def check_content(path: Path) -> None:
    """Check the CRC of every file in it, and that nothing lies between them. Raises ArchiveError.

    TorchServe unpacks an archive from its beginning to its end and never reads the directory at
    the end, which is what is checked elsewhere; so the two must say the same.
    """
    with _opened(path) as archive:
        try:
            damaged = archive.testzip()
        except _DAMAGES as error:
            raise _damaged(path, error) from error
        if damaged is not None:
            raise _damaged(path, f"{damaged} has another CRC")
        end = 0
        for entry in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
            if entry.header_offset != end:
                raise ArchiveError(
                    f"{path} is refused: there is something before {entry.filename!r} that its "
                    "directory does not name; build it with `docsort archive`"
                )
            end += _length_of(path, entry)
        if archive.start_dir != end:
            raise ArchiveError(f"{path} is refused: its directory does not name all that is in it")


def _length_of(path: Path, entry: zipfile.ZipInfo) -> int:
    """Bytes of an entry, its header included."""
    with path.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        name, extra = (int.from_bytes(stream.read(2), "little") for _ in range(2))
    return 30 + name + extra + entry.compress_size


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(file)
    except FileNotFoundError as error:
        raise ArchiveError(
            f"there is no archive {file}; `docsort archive --bundle DIR` builds one"
        ) from error
    except OSError as error:
        raise ArchiveError(f"{file} cannot be read: {error.strerror}") from error
    except _DAMAGES as error:
        raise _damaged(file, error) from error
    with archive:
        _check_entries(file, archive)
        yield archive


def _check_entries(file: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    for entry in entries:
        if not _stays_inside(entry):
            raise ArchiveError(
                f"{file} is refused: its entry {entry.filename!r} would be written outside the "
                "folder that it is unpacked to"
            )
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ArchiveError(
                f"{file} is refused: {entry.filename!r} is compressed or encrypted, and "
                "`docsort archive` writes neither"
            )
    if len(set(names)) != len(names):
        raise ArchiveError(f"{file} is refused: it names a file twice")
    if missing := [name for name in _REQUIRED if name not in names]:
        raise ArchiveError(
            f"{file} is not an archive of docsort's: {missing[0]} is missing; build one with "
            "`docsort archive`"
        )


def _stays_inside(entry: zipfile.ZipInfo) -> bool:
    # orig_filename still has what Python's zipfile would drop or replace
    name = entry.orig_filename
    path = PurePosixPath(name)
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    climbs = ".." in path.parts or "\\" in name or "\0" in name
    return not (path.is_absolute() or climbs or is_link)


def _json_in(file: Path, archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    try:
        content = json.loads(archive.read(name))
    except (*_DAMAGES, OSError) as error:  # a wrong place in the file is an OSError
        raise _damaged(file, error) from error
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{file}: {name} is not JSON; build the archive again") from error
    if not isinstance(content, dict):
        raise ArchiveError(f"{file}: {name} is not a JSON object; build the archive again")
    return content


def _model_of(file: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    model = manifest.get("model")
    if not isinstance(model, dict) or set(model) != _MODEL_KEYS or model["handler"] != HANDLER:
        raise ArchiveError(
            f"{file}: {MANIFEST} must name {', '.join(sorted(_MODEL_KEYS))} and nothing else, with "
            f"{HANDLER} as handler; build the archive with `docsort archive`"
        )
    return model


def _bundle_of(file: Path, archive: zipfile.ZipFile) -> Manifest:
    """The bundle's manifest, after the checks that reading an unpacked bundle would make."""
    content = _json_in(file, archive, BUNDLE_MANIFEST)
    if (version := content.get("schema_version")) != SCHEMA_VERSION:
        raise ArchiveError(
            f"{file} holds a bundle of schema version {version}; this docsort reads "
            f"{SCHEMA_VERSION}. Serve it with the docsort that built it, or train again with this"
        )
    _refuse_code(file, archive)
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    try:
        for name, said in content["files"].items():
            if (size := sizes.get(f"bundle/{name}")) != said["bytes"]:
                found = "is missing" if size is None else f"has {size} bytes"
                raise ArchiveError(
                    f"{file} holds a truncated bundle: {name} {found}, but {said['bytes']} bytes "
                    "were written; build the archive again"
                )
        return manifest_from(content)
    except (KeyError, TypeError, AttributeError, BundleError) as error:
        raise ArchiveError(
            f"{file}: {BUNDLE_MANIFEST} is incomplete ({error}); build the archive again"
        ) from error


def _refuse_code(file: Path, archive: zipfile.ZipFile) -> None:
    for name in archive.namelist():
        path = PurePosixPath(name)
        is_configuration = path.parts[:1] == ("bundle",) and path.match(CONFIGURATIONS)
        if is_configuration and (key := code_key(_json_in(file, archive, name))):
            raise ArchiveError(f"{file}: {name} asks to run Python code ({key}); {NO_CODE}")


def _damaged(file: Path, error: Exception | str) -> ArchiveError:
    return ArchiveError(f"{file} is truncated or damaged ({error}); copy or build it again")
