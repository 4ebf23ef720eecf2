"""Full disks, for real: what is served goes on, what needs room is refused, and it heals by itself.

Small disks in memory are mounted for it, so it must run as root.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.crowd import Crowd
from benchmarks.full_disks import FullDisks, full, on_small_disks
from benchmarks.tiny_archives import TinyArchives
from docsort.core.disk import write_if_changed
from docsort.core.errors import StorageError
from docsort.serving.control_client import ask
from docsort.serving.nginx import Share, put_back, write_config
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.wanted import WANTED
from tests.core.test_disk import files_at_most
from tests.serving.conftest import MAX_BODY_BYTES, PLAIN


@pytest.fixture(scope="module")
def disks(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullDisks]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disks that are filled")
    folder = tmp_path_factory.mktemp("full")
    (folder / "archives").mkdir()
    archives = TinyArchives(folder / "archives", store / "tiny-1.0.mar", store / "tiny-2.0.mar")
    options = ["--max-body-bytes", str(MAX_BODY_BYTES), "--startup-timeout-s", "300"]
    with on_small_disks(folder / "disks", archives, 2, *options) as disks:
        yield disks


def state(disks: FullDisks) -> object:
    """All that a refused change must leave as it is."""
    run_dir = RunDir(disks.disks.run, -1)
    return (
        sorted((file.name, file.stat().st_size) for file in disks.disks.store.iterdir()),
        (disks.disks.store / WANTED).read_text(),
        sorted(file.name for file in (run_dir.temporary / "models").iterdir()),
        sorted(file.name for file in run_dir.temporary.glob("proof-*")),
        sorted(file.name for file in run_dir.closed.rglob("*~")),
        {file.name: file.read_bytes() for file in run_dir.web.glob("**/*.json")},
        run_dir.nginx_config.read_bytes(),
        disks.trial.versions(),
    )


@contextmanager
def nobody_suffers(disks: FullDisks, canary: str = "1.0") -> Iterator[None]:
    """Every request gets the default's answer, or the canary's, and so does the largest."""
    url = f"{disks.trial.server.url}/predictions/tiny"
    with Crowd(url, num_clients=2).asking() as crowd:
        yield
        largest = httpx.post(url, content=b"a " * (MAX_BODY_BYTES // 2), headers=PLAIN, timeout=60)
        assert largest.status_code == 200
    assert not crowd.failures()
    assert {"1.0"} <= set(crowd.versions()) <= {"1.0", canary}


def test_no_room_for_logs_and_temporary_files(disks: FullDisks) -> None:
    before = state(disks)
    access_log = RunDir(disks.disks.run, -1).access_log
    with full(*disks.disks.but_the_store), nobody_suffers(disks):
        disks.ask_for_room_in_the_run_directory()
        assert httpx.get(f"{disks.trial.server.url}/readyz").status_code == 200
    said = list(disks.said.values())
    assert "0 bytes free, and unpacking it takes" in said[0]
    assert "nginx.conf could not be written: [Errno 28] No space left" in said[1]
    assert state(disks) == before
    assert "not all of it is undone" not in disks.trial.server.output.read_text()
    logged = access_log.stat().st_size
    with nobody_suffers(disks, canary="2.0"):
        assert ask(disks.trial.control, "canary", name="tiny", version="2.0", percent=1)
        ask(disks.trial.control, "canary", name="tiny", version="2.0", percent=0)
    assert access_log.stat().st_size > logged


def test_a_worker_lost_while_there_is_no_room(disks: FullDisks) -> None:
    trial = disks.trial
    readyz = f"{trial.server.url}/readyz"
    with full(*disks.disks.but_the_store):
        trial.signal_worker("1.0", signal.SIGKILL)
        while httpx.get(readyz).status_code == 200:
            time.sleep(0.1)
        # another one answers, but its proof has no room
        while not trial.workers("1.0"):
            time.sleep(0.1)
        answer = httpx.post(
            f"{trial.server.url}/predictions/tiny", content="a", headers=PLAIN, timeout=60
        )
        assert answer.status_code == 200
        assert httpx.get(readyz).status_code == 503
    trial.wait_until_answering(time.monotonic())
    assert trial.server.process.poll() is None


def test_no_room_in_the_store(disks: FullDisks) -> None:
    before = state(disks)
    disks.said.clear()
    with full(disks.disks.store), nobody_suffers(disks):
        disks.ask_for_room_in_the_store()
    said = list(disks.said.values())
    assert "cannot be copied to" in said[0]
    assert "serving.json could not be written: [Errno 28] No space left" in said[1]
    assert state(disks) == before
    ask(disks.trial.control, "promote", name="tiny", version="2.0")
    assert (
        json.loads((disks.disks.store / WANTED).read_text())["models"]["tiny"]["default"] == "2.0"
    )
    ask(disks.trial.control, "rollback", name="tiny")


def test_a_configuration_that_has_no_room_leaves_the_old_one(tmp_path: Path) -> None:
    """As any user may try it: files over a size are refused, as on a full disk."""
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    settings = ServeSettings(tmp_path, tmp_path)
    write_config(settings, run_dir, "t0ken")
    before = run_dir.nginx_config.read_bytes()
    with (
        files_at_most(100),
        pytest.raises(StorageError, match=r"nginx\.conf could not be written.*make room"),
        put_back(run_dir),
    ):
        write_config(settings, run_dir, "t0ken", [Share("tiny", "2.0", 10)])
    assert run_dir.nginx_config.read_bytes() == before
    assert not [file for file in run_dir.door.iterdir() if file.name.startswith(".")]


def test_what_is_written_already_takes_no_room(tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    write_if_changed(file, "x" * 1000)
    with files_at_most(100):
        write_if_changed(file, "x" * 1000)
        with pytest.raises(StorageError):
            write_if_changed(file, "y" * 1000)
    assert file.read_text() == "x" * 1000
    assert list(tmp_path.iterdir()) == [file]
