"""From a bundle to a published archive: complete, reproducible, proved, never overwritten."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import docsort
from docsort.commands import main
from docsort.core.bundle import Manifest, read_bundle, seal
from docsort.core.errors import ArchiveError, BundleError
from docsort.core.hashing import file_sha256
from docsort.serving import archive as archive_module
from docsort.serving.archive import build_archive
from docsort.serving.leftovers import held
from docsort.serving.mar import unpack_archive
from docsort.serving.prove import prove


@pytest.fixture
def unproved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the proof out, where a test is about something else."""
    monkeypatch.setattr(archive_module, "prove", lambda unpacked: None)


@pytest.fixture
def unpacked(store: Path, tmp_path: Path) -> Path:
    unpack_archive(store / "tiny-1.0.mar", tmp_path / "unpacked")
    return tmp_path / "unpacked"


@pytest.mark.usefixtures("unproved")
def test_the_same_bundle_gives_the_same_bytes(
    store: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    # ``store``'s was built earlier, from another folder; the manifest's time must not tell
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "moved"))
    again = build_archive(copy, "tiny", "1.0", tmp_path / "a, *b")
    assert again.read_bytes() == (store / "tiny-1.0.mar").read_bytes()


@pytest.mark.usefixtures("unproved")
def test_what_the_bundle_does_not_list_is_left_out(
    store: Path, tiny_bundle_copy: Path, tmp_path: Path
) -> None:
    for name in (".DS_Store", "notes.txt", "tokenizer/.swp"):
        (tiny_bundle_copy / name).write_text("by hand")
    again = build_archive(tiny_bundle_copy, "tiny", "1.0", tmp_path / "store")
    assert again.read_bytes() == (store / "tiny-1.0.mar").read_bytes()


@pytest.mark.usefixtures("unproved")
@pytest.mark.parametrize("absolute", [True, False])
def test_a_bundle_that_lists_files_outside_of_it(
    tiny_bundle_copy: Path, tmp_path: Path, absolute: bool
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("")
    file = tiny_bundle_copy / "bundle.json"
    content = json.loads(file.read_text())
    name = str(outside) if absolute else "../outside"
    content["files"][name] = {"bytes": 0, "sha256": file_sha256(outside)}
    file.write_text(json.dumps(content))
    with pytest.raises(ArchiveError, match="outside of the bundle"):
        build_archive(tiny_bundle_copy, "tiny", "1.0", tmp_path / "store")


def test_holds_the_core_the_handler_and_the_bundle_and_nothing_else(
    store: Path, tiny_bundle: Path
) -> None:
    package = Path(docsort.__file__).parent
    expected = {"MAR-INF/MANIFEST.json", "docsort_handler.py", "docsort/__init__.py"}
    expected |= {f"docsort/core/{file.name}" for file in (package / "core").glob("*.py")}
    bundle = [file for file in tiny_bundle.rglob("*") if file.is_file()]
    expected |= {f"bundle/{file.relative_to(tiny_bundle)}" for file in bundle}
    with zipfile.ZipFile(store / "tiny-1.0.mar") as archive:
        assert set(archive.namelist()) == expected
        manifest = json.loads(archive.read("MAR-INF/MANIFEST.json"))
    assert manifest["model"] == {
        "modelName": "tiny",
        "modelVersion": "1.0",
        "handler": "docsort_handler.py",
    }


@pytest.mark.usefixtures("unproved")
def test_a_published_version_never_changes(
    store: Path, tiny_bundle: Path, other_bundle: Path, tmp_path: Path
) -> None:
    published = Path(shutil.copy(store / "tiny-1.0.mar", tmp_path / "tiny-1.0.mar"))
    before = published.stat().st_mtime_ns
    assert build_archive(tiny_bundle, None, "1.0", tmp_path) == published
    with pytest.raises(ArchiveError, match="choose another --version"):
        build_archive(other_bundle, None, "1.0", tmp_path)
    assert published.stat().st_mtime_ns == before
    assert [file.name for file in tmp_path.iterdir()] == ["tiny-1.0.mar"]


@pytest.mark.usefixtures("unproved")
def test_what_a_killed_run_left_is_removed_and_what_another_writes_is_not(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    verb = [sys.executable, "-m", "docsort", "archive", "--bundle", tiny_bundle, "--store", store]
    killed = subprocess.Popen(verb, cwd=Path(__file__).parents[2], start_new_session=True)
    while not os.listdir(store):
        assert killed.poll() is None
        time.sleep(0.001)
    os.killpg(killed.pid, signal.SIGKILL)  # and what it has started
    killed.wait(60)
    (left,) = os.listdir(store)
    assert left.startswith(".archive-")
    (store / ".archive-now").mkdir()
    with held(store / ".archive-now"):
        build_archive(tiny_bundle, None, "1.0", store)
    assert sorted(os.listdir(store)) == [".archive-now", "tiny-1.0.mar"]


def test_a_truncated_bundle(tiny_bundle_copy: Path, tmp_path: Path) -> None:
    weights = tiny_bundle_copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BundleError, match="it was cut or changed"):
        build_archive(tiny_bundle_copy, "tiny", "1.0", tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_changed_bundle(tiny_bundle_copy: Path, tmp_path: Path) -> None:
    weights = tiny_bundle_copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match=r"changed since it was written: model\.safetensors"):
        build_archive(tiny_bundle_copy, "tiny", "1.0", tmp_path / "store")


def test_golden_answers_that_are_not_the_models_are_not_published(
    tiny_bundle_copy: Path, tmp_path: Path
) -> None:
    golden = tiny_bundle_copy / "golden.jsonl"
    rows = [json.loads(line) for line in golden.read_text().splitlines()]
    rows[1]["probabilities"][0] += 2e-5
    golden.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seal(tiny_bundle_copy, read_manifest(tiny_bundle_copy))
    with pytest.raises(ArchiveError, match=r"could not be proved.*golden documents"):
        build_archive(tiny_bundle_copy, None, "1.0", tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def read_manifest(bundle: Path) -> Manifest:
    """Its manifest, although its golden documents have another size than it says."""
    file = bundle / "bundle.json"
    content = json.loads(file.read_text())
    content["files"]["golden.jsonl"]["bytes"] = (bundle / "golden.jsonl").stat().st_size
    file.write_text(json.dumps(content))
    return read_bundle(bundle).manifest


def test_the_archive_must_not_need_what_only_the_project_has(unpacked: Path) -> None:
    (unpacked / "docsort/core/windows.py").rename(unpacked / "docsort/core/other.py")
    with pytest.raises(ArchiveError, match=r"no module docsort\.core\.windows"):
        prove(unpacked)


def test_the_archive_must_not_import_what_serving_lacks(unpacked: Path) -> None:
    scorer = unpacked / "docsort/core/scorer.py"
    scorer.write_text(scorer.read_text() + "\nimport sklearn\n")
    with pytest.raises(ArchiveError, match=r"imports .*sklearn"):
        prove(unpacked)


def test_without_torch_model_archiver(
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(archive_module, "_ARCHIVER", "no_such_package")
    arguments = ["--bundle", str(tiny_bundle), "--store", str(tmp_path / "store")]
    assert main(["archive", *arguments]) == 2
    said = capsys.readouterr().err
    assert "torch-model-archiver is not installed" in said
    assert "install docsort[serve]" in said
    assert not (tmp_path / "store").exists()


def test_names(tiny_bundle: Path, tiny_bundle_copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="--name 'a/b'"):
        build_archive(tiny_bundle, "a/b", "1.0", tmp_path / "store")
    with pytest.raises(ArchiveError, match="--version '1 0'"):
        build_archive(tiny_bundle, "tiny", "1 0", tmp_path / "store")
    file = tiny_bundle_copy / "bundle.json"
    content = json.loads(file.read_text())
    del content["provenance"]["name"]
    file.write_text(json.dumps(content))
    with pytest.raises(ArchiveError, match="give one with --name"):
        build_archive(tiny_bundle_copy, None, "1.0", tmp_path / "store")


@pytest.mark.usefixtures("unproved")
def test_the_command_names_the_archive_on_its_last_line(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--bundle", str(tiny_bundle), "--store", str(tmp_path)]
    assert main(["archive", *arguments]) == 0
    assert capsys.readouterr().out == f"archive  {tmp_path / 'tiny-1.0.mar'}\n"
    assert main(["archive", "--bundle", str(tmp_path / "none")]) == 2
    assert "is not a bundle" in capsys.readouterr().err
