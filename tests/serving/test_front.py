"""Nginx as a whole: a configuration that it refuses is forgotten, a full log put aside."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from docsort.core.errors import ServingError
from docsort.serving.access_log import check_access_log, put_aside_if_full
from docsort.serving.front import Front
from docsort.serving.nginx import Share
from docsort.serving.programs import find_nginx
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from tests.serving.conftest import free_port


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    return run_dir


def test_a_refused_configuration_is_not_left_behind(run_dir: RunDir) -> None:
    settings = ServeSettings(Path("store"), run_dir.path, port=free_port())
    front = Front(find_nginx(), settings, run_dir, print)
    front.apply([], "t0ken")
    try:
        before = run_dir.nginx_config.read_text()
        with pytest.raises(ServingError, match="refuses its configuration"):
            front.apply([Share("tiny", "2.0", 200)])
        assert run_dir.nginx_config.read_text() == before
        assert run_dir.nginx_config.stat().st_mode & 0o777 == 0o640
        front.apply([])  # again, since nobody knows what a failure left
        assert run_dir.nginx_config.read_text() != before
    finally:
        front.end()


def test_requests_cannot_fill_a_disk_by_the_access_log(run_dir: RunDir) -> None:
    settings = ServeSettings(
        Path("store"), run_dir.path, port=free_port(), max_access_log_bytes=2000
    )
    log = run_dir.access_log
    front = Front(find_nginx(), settings, run_dir, print)
    front.check()
    front.apply([], "t0ken")
    try:
        for number in range(3):
            while log.stat().st_size < 2000:
                assert httpx.get(f"{settings.url}/none-{number}").status_code == 404
            front.check()
            wait_until(log.exists)
            front.check()  # it is short again: left alone
            (old,) = log.parent.glob("access.log?*")
            assert f"/none-{number}" in old.read_text().splitlines()[-1]
        httpx.get(f"{settings.url}/livez")
        wait_until(lambda: "/livez" in log.read_text())
    finally:
        front.end()


def test_a_log_that_is_no_file_or_has_no_limit_is_left_alone(tmp_path: Path) -> None:
    file, link = tmp_path / "file.log", tmp_path / "link.log"
    file.write_text("x" * 100)
    link.symlink_to(file)
    assert not put_aside_if_full(link, 10)
    assert not put_aside_if_full(file, 0)
    assert not put_aside_if_full(tmp_path / "none.log", 10)
    assert not put_aside_if_full(file, 101)
    assert put_aside_if_full(file, 100)
    assert {entry.name for entry in tmp_path.iterdir()} == {"file.log.old", "link.log"}


def test_an_access_log_is_a_file_or_dev_null(tmp_path: Path) -> None:
    check_access_log(tmp_path / "access.log")
    check_access_log(Path("/dev/null"))
    (tmp_path / "link.log").symlink_to("access.log")
    check_access_log(tmp_path / "link.log")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/dev/stdout", "is not accepted; it must be a file.*tail -F"),
        ("/dev/stderr", "is not accepted"),
        ("/dev/fd/1", "is not accepted"),
        ("/dev/zero", "is not accepted"),
        ("fifo", "cannot be written.*pipe"),
        ("folder", "cannot be written.*Is a directory"),
        ("missing/access.log", "cannot be written.*No such file"),
        ("link.log", "cannot be written.*symbolic links"),
    ],
)
def test_an_access_log_that_nginx_cannot_append_to_is_refused(
    tmp_path: Path, target: str, said: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link.log"
    link.symlink_to(target)
    with pytest.raises(ServingError, match=f"--access-log {link} {said}"):
        check_access_log(link)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
