"""A full disk leaves what was there before, or nothing; never half of a file that looks whole."""

import os
import resource
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest
import torch

from docsort.core.bundle import load_model, read_bundle
from docsort.core.disk import full_disk_as_error, remove_partials, whole_file, write_whole
from docsort.core.errors import StorageError
from docsort.core.golden import write_bundle
from lightning_modules.checkpoint_io import WholeCheckpoints
from tests.conftest import GOLDEN_TEXTS

TOO_LARGE = {"weight": torch.zeros(100_000)}


@contextmanager
def files_at_most(num_bytes: int) -> Iterator[None]:
    """The system refuses what goes beyond, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_file_of_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("before", encoding="utf-8")
    with (
        files_at_most(1000),
        pytest.raises(StorageError, match=r"some\.txt"),
        whole_file(path) as stream,
    ):
        stream.write(b"x" * 2000)
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_named_not_the_folder_of_the_whole_job(tmp_path: Path) -> None:
    with (
        files_at_most(1000),
        pytest.raises(StorageError, match=r"^\S+/some\.txt could not be written") as refused,
        full_disk_as_error(tmp_path),
    ):
        write_whole(tmp_path / "some.txt", "x" * 2000)
    assert str(refused.value).count("make room") == 1


def test_an_error_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError), whole_file(tmp_path / "some.txt") as stream:
        stream.write("no bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_two_threads_may_write_one_file(tmp_path: Path) -> None:
    path, together = tmp_path / "some.txt", Barrier(2)

    def write(letter: str) -> None:
        for _ in range(50):
            with whole_file(path) as stream:
                stream.write(letter.encode() * 1000)
                together.wait()
                stream.write(letter.encode() * 1000)
            assert len(set(path.read_text(encoding="utf-8"))) == 1
            together.wait()

    with ThreadPoolExecutor() as threads:
        for ended in [threads.submit(write, letter) for letter in "ab"]:
            ended.result(timeout=60)
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_the_umasks_unless_given(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "mine", "x")
        write_whole(tmp_path / "all", "x", 0o644)
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"mine": 0o600, "all": 0o644}


def test_a_file_is_on_the_disk_before_it_gets_its_name_and_its_name_before_it_is_relied_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    replace = os.replace

    def fsync(descriptor: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{descriptor}').resolve().suffix}")

    def noted(old: Path, new: Path) -> None:
        done.append("rename")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", noted)
    write_whole(tmp_path / "some.txt", "x")
    assert done == ["sync .partial", "rename", "sync "]


def test_what_a_kill_left_behind_goes(tmp_path: Path) -> None:
    path, other = tmp_path / "last.ckpt", tmp_path / "other.ckpt"
    unfinished = [whole_file(file) for file in (path, other)]
    for writing in unfinished:
        writing.__enter__()  # and never left, as by a process that is killed
    assert len(list(tmp_path.iterdir())) == 2
    remove_partials(path)
    assert [file.name.startswith(".other.ckpt.") for file in tmp_path.iterdir()] == [True]


def test_a_checkpoint(tmp_path: Path) -> None:
    path, checkpoints = tmp_path / "last.ckpt", WholeCheckpoints()
    checkpoints.save_checkpoint({"step": 1}, path)
    with files_at_most(100_000), pytest.raises(StorageError, match=r"last\.ckpt"):
        checkpoints.save_checkpoint({"step": 2, **TOO_LARGE}, path)
    assert checkpoints.load_checkpoint(path) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    model = load_model(bundle)
    with files_at_most(20_000), pytest.raises(StorageError, match="bundle"):
        write_bundle(tmp_path / "bundle", bundle.manifest, *model, GOLDEN_TEXTS)
    assert list(tmp_path.iterdir()) == []
