"""Archives as files: equal bytes for equal content, and no trust in what a file says."""

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from docsort.core.errors import ArchiveError
from docsort.serving.mar import (
    check_content,
    check_name,
    read_archive,
    unpack_archive,
    write_mar,
)


def rewrite(archive: Path, changes: dict[str, bytes | None]) -> Path:
    """Replace (bytes), add, or drop (None) entries of an archive, in place."""
    with zipfile.ZipFile(archive) as old:
        content: dict[str, bytes | None] = {n: old.read(n) for n in old.namelist()}
    content.update(changes)
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in content.items():
            if data is not None:
                new.writestr(name, data)
    return archive


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for folder, names in (("a", ["x", "y/z"]), ("b", ["y/z", "x"])):
        for name in names:
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
            os.utime(file, (0, 1e9) if folder == "a" else (0, 1.5e9))
            file.chmod(0o600 if folder == "a" else 0o664)
        write_mar(tmp_path / folder, tmp_path / f"{folder}.mar")
    assert (tmp_path / "a.mar").read_bytes() == (tmp_path / "b.mar").read_bytes()


def test_tells_name_version_and_labels(store: Path) -> None:
    info = read_archive(store / "tiny-2.0.mar")
    assert (info.name, info.version) == ("tiny", "2.0")
    assert (info.task, info.labels) == ("single_label", ("finance", "medicine", "sport"))
    assert len(info.sha256) == 64


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_truncated(archive_copy: Path, keep: int) -> None:
    archive_copy.write_bytes(archive_copy.read_bytes()[:keep])
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        read_archive(archive_copy)


@pytest.mark.parametrize(
    ("at", "bits"),
    [
        ([6], 0xFF),  # needs another zip's version: zipfile's NotImplementedError
        ([23, 27], 0x40),  # has more bytes than there are: EOFError
        ([46], 0x80),  # has a name that is not UTF-8: UnicodeDecodeError
    ],
)
def test_a_damaged_directory(archive_copy: Path, at: list[int], bits: int) -> None:
    with zipfile.ZipFile(archive_copy) as archive:
        start = archive.start_dir
    content = bytearray(archive_copy.read_bytes())
    content[start + 9] |= 8  # names are UTF-8
    for place in at:
        content[start + place] ^= bits
    archive_copy.write_bytes(content)
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        read_archive(archive_copy)


def test_damaged_weights_are_found_when_unpacked(archive_copy: Path, tmp_path: Path) -> None:
    content = bytearray(archive_copy.read_bytes())
    with zipfile.ZipFile(archive_copy) as archive:
        offset = archive.getinfo("bundle/model.safetensors").header_offset
    content[offset + 5000] ^= 1
    archive_copy.write_bytes(content)
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        unpack_archive(archive_copy, tmp_path / "out")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x"])
def test_path_climbing(archive_copy: Path, tmp_path: Path, name: str) -> None:
    rewrite(archive_copy, {name: b"x"})
    with pytest.raises(ArchiveError, match="outside the folder"):
        read_archive(archive_copy)
    with pytest.raises(ArchiveError, match="outside the folder"):
        unpack_archive(archive_copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links(archive_copy: Path) -> None:
    link = zipfile.ZipInfo("bundle/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive_copy, "a") as archive:
        archive.writestr(link, "/etc")
    with pytest.raises(ArchiveError, match="outside the folder"):
        read_archive(archive_copy)


def test_compressed_entries(archive_copy: Path) -> None:
    with zipfile.ZipFile(archive_copy, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"0" * 1_000_000)
    with pytest.raises(ArchiveError, match="compressed or encrypted"):
        read_archive(archive_copy)


def test_an_entry_twice(archive_copy: Path) -> None:
    with (
        zipfile.ZipFile(archive_copy, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("docsort_handler.py", "class Other: ...")
    with pytest.raises(ArchiveError, match="twice"):
        read_archive(archive_copy)


@pytest.mark.parametrize(
    "name", ["MAR-INF/MANIFEST.json", "docsort_handler.py", "bundle/bundle.json"]
)
def test_a_needed_entry_missing(archive_copy: Path, name: str) -> None:
    rewrite(archive_copy, {name: None})
    with pytest.raises(ArchiveError, match=f"{name} is missing"):
        read_archive(archive_copy)


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"not json", "is not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "must name"),
        (b'{"model": {"modelName": "a", "modelVersion": "1", "handler": "other.py"}}', "must name"),
    ],
)
def test_manifests(archive_copy: Path, manifest: bytes, said: str) -> None:
    rewrite(archive_copy, {"MAR-INF/MANIFEST.json": manifest})
    with pytest.raises(ArchiveError, match=said):
        read_archive(archive_copy)


def with_bundle(archive: Path, **changes: Any) -> Path:
    """Change what the archive's bundle.json says; None drops a key."""
    with zipfile.ZipFile(archive) as old:
        content = {**json.loads(old.read("bundle/bundle.json")), **changes}
    content = {key: value for key, value in content.items() if value is not None}
    return rewrite(archive, {"bundle/bundle.json": json.dumps(content).encode()})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 2}, "schema version 2; this docsort reads 1"),
        ({"schema_version": None}, "schema version None"),
        ({"files": None}, r"incomplete \('files'\)"),
        ({"files": ["model.safetensors"]}, "is incomplete"),
        ({"labels": None}, r"incomplete \('labels'\)"),
        ({"labels": ["a", "a"]}, "labels must be one or more different names"),
        ({"task": "other"}, "task 'other' is unknown"),
    ],
)
def test_bundles_that_this_docsort_cannot_read(
    archive_copy: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ArchiveError, match=said):
        read_archive(with_bundle(archive_copy, **changes))


@pytest.mark.parametrize(
    ("content", "said"), [(None, "golden.jsonl is missing"), (b"{}", "golden.jsonl has 2 bytes")]
)
def test_a_truncated_bundle_inside(archive_copy: Path, content: bytes | None, said: str) -> None:
    rewrite(archive_copy, {"bundle/golden.jsonl": content})
    with pytest.raises(ArchiveError, match=f"truncated bundle: {said}"):
        read_archive(archive_copy)


def test_a_manifest_that_would_install_packages(archive_copy: Path) -> None:
    model = {"modelName": "a", "modelVersion": "1", "handler": "docsort_handler.py"}
    manifest = {"model": {**model, "requirementsFile": "requirements.txt"}}
    rewrite(archive_copy, {"MAR-INF/MANIFEST.json": json.dumps(manifest).encode()})
    with pytest.raises(ArchiveError, match="must name"):
        read_archive(archive_copy)


def test_no_such_file_and_no_zip(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="there is no archive"):
        read_archive(tmp_path / "none.mar")
    with pytest.raises(ArchiveError, match="cannot be read"):
        read_archive(tmp_path)


@pytest.mark.parametrize("name", ["a", "A-1.0_b", "9"])
def test_accepted_names(name: str) -> None:
    check_name("--name", name)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "-a", ".a", "a\n", "ä", "a?b"])
def test_refused_names(name: str) -> None:
    with pytest.raises(ArchiveError, match="letters, digits"):
        check_name("--name", name)


def test_content_is_sound(store: Path) -> None:
    check_content(store / "tiny-1.0.mar")


def test_damaged_weights_are_found_before_anything_is_unpacked(archive_copy: Path) -> None:
    content = bytearray(archive_copy.read_bytes())
    content[len(content) // 2] ^= 1
    archive_copy.write_bytes(content)
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        check_content(archive_copy)


def test_a_name_that_the_directory_at_the_end_does_not_tell(archive_copy: Path) -> None:
    # TorchServe unpacks by the names before each file, Python's zipfile by those at the end
    rewrite(archive_copy, {"payload.py": b"x"})
    content = archive_copy.read_bytes()
    assert content.count(b"payload.py") == 2
    archive_copy.write_bytes(content.replace(b"payload.py", b"../load.py", 1))
    read_archive(archive_copy)
    with pytest.raises(ArchiveError, match="truncated or damaged"):
        check_content(archive_copy)


@pytest.mark.parametrize("last", [True, False])
def test_a_file_that_the_directory_at_the_end_does_not_tell(archive_copy: Path, last: bool) -> None:
    with zipfile.ZipFile(archive_copy, "a") as archive:
        archive.writestr("../hidden", b"x")
        if not last:
            archive.writestr("seen", b"x")
        hidden = archive.NameToInfo.pop("../hidden")
        archive.filelist.remove(hidden)
    read_archive(archive_copy)
    with pytest.raises(ArchiveError, match="does not name"):
        check_content(archive_copy)


def test_entry_without_a_path_and_json_nested_too_deeply(archive_copy: Path) -> None:
    read_archive(rewrite(archive_copy, {".": b""}))
    rewrite(archive_copy, {"bundle/encoder/config.json": b"[" * 100_000})
    with pytest.raises(ArchiveError, match=r"config\.json is not JSON"):
        read_archive(archive_copy)


@pytest.mark.parametrize("name", ["encoder/config.json", "tokenizer/tokenizer_config.json"])
def test_archive_whose_bundle_asks_for_code_is_refused(archive_copy: Path, name: str) -> None:
    with zipfile.ZipFile(archive_copy) as archive:
        content = json.loads(archive.read(f"bundle/{name}"))
        manifest = json.loads(archive.read("bundle/bundle.json"))
    hostile = json.dumps({**content, "auto_map": {"AutoModel": "hostile.Model"}}).encode()
    manifest["files"][name]["bytes"] = len(hostile)
    changes = {f"bundle/{name}": hostile, "bundle/bundle.json": json.dumps(manifest).encode()}
    rewrite(archive_copy, changes)
    with pytest.raises(ArchiveError, match=f"{name} asks to run Python code"):
        read_archive(archive_copy)
