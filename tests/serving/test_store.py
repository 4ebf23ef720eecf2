"""Which archives a store holds, and which of their versions is the newest."""

import errno
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from docsort.core.errors import ArchiveError
from docsort.serving.mar import read_archive
from docsort.serving.store import (
    archives_in,
    clear_staging,
    newest_of_each,
    publish,
    shared_store,
    staged,
    version_order,
)


@pytest.mark.parametrize(
    "versions",
    [
        ["1.0", "1.1", "1.9", "1.10", "2.0"],
        ["1", "1.0", "1.0.1", "2"],
        ["2.0-alpha", "2.0-beta", "2.0-rc1", "2.0-rc2", "2.0", "2.0.1"],
        ["20240101", "20250101"],
    ],
)
def test_versions_from_the_oldest_to_the_newest(versions: list[str]) -> None:
    assert sorted(set(versions), key=version_order) == versions


def test_newest_of_each(store: Path) -> None:
    found = archives_in(store)
    assert [info.version for info in found] == ["1.0", "2.0"]
    old, new = found
    other = replace(old, name="other")
    assert newest_of_each([new, other, old]) == {"tiny": new, "other": other}


def test_archives_of_one_run_lie_in_one_store(tmp_path: Path) -> None:
    assert shared_store([tmp_path / "a.mar", tmp_path / "b.mar"]) == tmp_path
    with pytest.raises(ArchiveError, match="one folder"):
        shared_store([tmp_path / "a.mar", tmp_path / "x" / "b.mar"])


def test_what_is_staged_is_no_version_yet_and_does_not_stay(store: Path, tmp_path: Path) -> None:
    archive = store / "tiny-1.0.mar"
    with staged(archive, tmp_path, max_bytes=1 << 20) as info:
        assert info.path.parent == tmp_path
        assert archives_in(tmp_path) == []
        assert publish(info.path, tmp_path / "tiny-1.0.mar")
        assert not publish(info.path, tmp_path / "tiny-1.0.mar")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-1.0.mar"]
    assert (tmp_path / "tiny-1.0.mar").read_bytes() == archive.read_bytes()


def test_what_is_not_accepted_leaves_nothing(store: Path, tmp_path: Path) -> None:
    archive = store / "tiny-1.0.mar"
    sha256 = archives_in(store)[0].sha256
    for limit, asked, said in (
        (1000, None, "accepts 1000"),
        (1 << 20, "0" * 64, f"has the SHA-256 {sha256}, and not 0000"),
    ):
        with pytest.raises(ArchiveError, match=said), staged(archive, tmp_path, limit, asked):
            pass
    with pytest.raises(ArchiveError, match="no archive"), staged(tmp_path, tmp_path, 1 << 20):
        pass
    assert list(tmp_path.iterdir()) == []
    with staged(archive, tmp_path, 1 << 20, sha256.upper()):
        pass


def test_a_store_without_hard_links(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with (
        pytest.raises(ArchiveError, match=r"Operation not permitted.*by a hard link.*--store"),
        staged(store / "tiny-1.0.mar", tmp_path, 1 << 20) as info,
    ):
        publish(info.path, tmp_path / "tiny-1.0.mar")
    assert list(tmp_path.iterdir()) == []


def test_what_is_published_may_be_read_by_all(store: Path, tmp_path: Path) -> None:
    with staged(store / "tiny-1.0.mar", tmp_path, 1 << 20) as info:
        publish(info.path, tmp_path / "tiny-1.0.mar")
    assert stat.S_IMODE((tmp_path / "tiny-1.0.mar").stat().st_mode) == 0o644


def test_a_version_that_is_there_and_cannot_be_read(store: Path, tmp_path: Path) -> None:
    archive = store / "tiny-1.0.mar"
    target = tmp_path / archive.name
    target.mkdir()  # root could read any file
    with pytest.raises(ArchiveError, match=r"is there already and cannot be read: Is a directory"):
        publish(Path(shutil.copy(archive, tmp_path / "candidate")), target)
    with pytest.raises(ArchiveError, match=r"tiny-1\.0\.mar cannot be read: Is a directory"):
        read_archive(target)


def test_a_version_that_is_there_with_other_bytes(store: Path, tmp_path: Path) -> None:
    shutil.copy(store / "tiny-2.0.mar", tmp_path / "tiny-1.0.mar")
    archive = store / "tiny-1.0.mar"
    with (
        pytest.raises(ArchiveError, match="holds something else"),
        staged(archive, tmp_path, 1 << 20),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["tiny-1.0.mar"]


def test_what_a_killed_supervisor_staged_is_cleared(store: Path, tmp_path: Path) -> None:
    with staged(store / "tiny-1.0.mar", tmp_path, 1 << 20) as info:
        shutil.copy(info.path, tmp_path / ".registering-x.mar")
    clear_staging(tmp_path)
    assert list(tmp_path.iterdir()) == []
