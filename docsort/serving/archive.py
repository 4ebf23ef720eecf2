"""From a bundle to a proved archive in the model store; equal bundles give equal bytes.

Staged by torch-model-archiver in its ``no-archive`` format, in a folder of our own (it clears
``/tmp/NAME`` and stamps the time into its manifest), then zipped by mar.py.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import docsort
from docsort.core.bundle import MANIFEST as BUNDLE_MANIFEST
from docsort.core.bundle import Bundle, read_bundle, verify_files
from docsort.core.errors import ArchiveError
from docsort.serving import leftovers
from docsort.serving.mar import (
    HANDLER,
    MANIFEST,
    check_name,
    unpack_archive,
    write_mar,
)
from docsort.serving.prove import prove
from docsort.serving.store import file_of, is_published, publish

_SCRATCH = ".archive-"
_ARCHIVER = "model_archiver"  # torch-model-archiver's package
_CREATED_ON = "01/01/1980 00:00:00"  # the archiver's format


def build_archive(bundle: str | Path, name: str | None, version: str, store: str | Path) -> Path:
    """Build, prove and publish ``STORE/NAME-VERSION.mar``; return it.

    Args:
        bundle: a bundle's folder.
        name: None takes the name that the bundle was trained under.
        store: made where it is missing.

    Raises:
        BundleError: the bundle is truncated or changed.
        ArchiveError: torch-model-archiver is not installed, a name is not accepted, the archive
            could not be proved, or the store has another archive of that name and version.
    """
    if importlib.util.find_spec(_ARCHIVER) is None:
        raise ArchiveError(
            "torch-model-archiver is not installed in this Python; install docsort[serve]"
        )
    source = read_bundle(bundle)
    verify_files(source)
    name = name or source.provenance.get("name")
    if not name:
        raise ArchiveError("the bundle's provenance has no name; give one with --name")
    check_name("--name", name)
    check_name("--version", version)
    target = file_of(Path(store), name, version)
    target.parent.mkdir(parents=True, exist_ok=True)
    leftovers.clear(target.parent, _SCRATCH)  # of killed runs, up to four times the model each
    # In the store, so that publishing is a rename within one file system.
    with (
        tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=target.parent) as folder,
        leftovers.held(Path(folder)),
    ):
        scratch = Path(folder)
        candidate = scratch / target.name
        write_mar(_stage(source, name, version, scratch), candidate)
        if is_published(candidate, target):
            return target
        unpack_archive(candidate, scratch / "unpacked")
        prove(scratch / "unpacked")
        publish(candidate, target)
    return target


def _stage(bundle: Bundle, name: str, version: str, scratch: Path) -> Path:
    """The archive's content as a folder, as torch-model-archiver lays it out."""
    package = Path(docsort.__file__).parent
    payload = scratch / "payload"
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(package / "core", payload / "docsort" / "core", ignore=ignore)
    shutil.copy(package / "__init__.py", payload / "docsort")
    _copy_bundle(bundle, payload / "bundle")
    shutil.copy(package.parent / "handlers" / HANDLER, scratch)
    (scratch / "staged").mkdir()
    (scratch / "tmp").mkdir()
    _run_archiver(name, version, scratch)
    staged = scratch / "staged" / name
    manifest = json.loads((staged / MANIFEST).read_text(encoding="utf-8"))
    manifest["createdOn"] = _CREATED_ON
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (staged / MANIFEST).write_text(text, encoding="utf-8")
    return staged


def _copy_bundle(bundle: Bundle, target: Path) -> None:
    """Copy what the bundle lists: whatever else lies in its folder is sealed by nothing."""
    for name in (BUNDLE_MANIFEST, *bundle.files):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ArchiveError(
                f"{bundle.path / BUNDLE_MANIFEST} is refused: it lists {name!r}, which is outside "
                "of the bundle; use the bundle that `docsort train` wrote"
            )
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path / name, target / name)


def _run_archiver(name: str, version: str, scratch: Path) -> None:
    """In a process of its own: it clears TMPDIR/NAME, which must be a folder of ours.

    Paths are relative, since it splits them at commas and expands wildcards in them.
    """
    options = {
        "--model-name": name,
        "--version": version,
        "--handler": HANDLER,
        "--extra-files": "payload",
        "--export-path": "staged",
        "--archive-format": "no-archive",
    }
    arguments = [part for option in options.items() for part in option]
    finished = subprocess.run(
        [sys.executable, "-m", f"{_ARCHIVER}.model_packaging", *arguments],
        cwd=scratch,
        env={**os.environ, "TMPDIR": str((scratch / "tmp").resolve())},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        reason = (finished.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise ArchiveError(f"torch-model-archiver failed: {reason}")
