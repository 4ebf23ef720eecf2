"""The run directory: its owner's alone, cleared of what a crash left, never of a user's files."""

import fcntl
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving import run_dir as run_dir_module
from docsort.serving.leftovers import held
from docsort.serving.run_dir import held_run_dir


def test_only_its_owner_may_enter_it(tmp_path: Path) -> None:
    with held_run_dir(tmp_path / "run", keep=False) as run_dir:
        assert stat.S_IMODE(run_dir.path.stat().st_mode) == 0o700
        assert run_dir.web.is_dir()
    assert not (tmp_path / "run").exists()


def test_kept_without_what_is_large_or_secret(tmp_path: Path) -> None:
    with held_run_dir(tmp_path / "run", keep=True) as run_dir:
        run_dir.tokens.write_text("secret")
        (run_dir.path / "torchserve.log").write_text("said")
    left = {entry.name for entry in (tmp_path / "run").iterdir()}
    assert left == {"torchserve.log", "door", "docsort.lock"}


def test_kept_after_an_error_because_the_logs_say_why(tmp_path: Path) -> None:
    def fail() -> None:
        with held_run_dir(tmp_path / "run", keep=False) as run_dir:
            (run_dir.path / "torchserve.log").write_text("said")
            raise ServingError("as when TorchServe ends by itself")

    with pytest.raises(ServingError, match="by itself"):
        fail()
    assert (tmp_path / "run" / "torchserve.log").read_text() == "said"


def test_what_a_crash_left_is_cleared(tmp_path: Path) -> None:
    with held_run_dir(tmp_path / "run", keep=True) as run_dir:
        run_dir.ready.write_text("ready")
    with held_run_dir(tmp_path / "run", keep=True) as run_dir:
        assert not run_dir.ready.exists()


def test_a_mounted_door_keeps_what_a_running_nginx_writes(tmp_path: Path) -> None:
    (tmp_path / "run" / "door" / "nginx").mkdir(parents=True)
    (tmp_path / "run" / "door" / "nginx" / "nginx.pid").write_text("7")
    (tmp_path / "run" / "door" / "nginx.conf").write_text("of a killed supervisor")
    with held_run_dir(tmp_path / "run", keep=True) as run_dir:
        assert (run_dir.nginx / "nginx.pid").read_text() == "7"
        assert not run_dir.nginx_config.exists()


def test_the_door_is_its_groups_to_use_and_only_one_folder_of_it_to_write(tmp_path: Path) -> None:
    with held_run_dir(tmp_path / "run", keep=False) as run_dir:
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (run_dir.door, run_dir.nginx)}
        assert modes == {"door": 0o2750, "nginx": 0o2770}
        assert stat.S_IMODE(run_dir.web.stat().st_mode) & 0o022 == 0


def test_a_folder_with_a_users_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ServingError, match="did not make"), held_run_dir(tmp_path, keep=False):
        pytest.fail("entered")
    assert (tmp_path / "thesis.txt").exists()


def test_another_supervisors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_dir_module, "_LOCK_WAIT_S", 0.0)
    with (
        held_run_dir(tmp_path / "run", keep=False),
        pytest.raises(ServingError, match="another docsort"),
        held_run_dir(tmp_path / "run", keep=False),
    ):
        pytest.fail("entered twice")


def test_a_folder_that_another_has_locked(tmp_path: Path) -> None:
    """As by `flock FOLDER docsort serve --run-dir FOLDER`."""
    run_dir = tmp_path / "run"
    run_dir.mkdir(0o700)
    with held(run_dir), held_run_dir(run_dir, keep=False) as found:
        assert found.path == run_dir


def test_one_that_its_last_holder_removes_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock_now = tmp_path / "run", fcntl.flock

    def lock_once_it_is_gone(lock: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock_now)
        shutil.rmtree(path)
        lock_now(lock, how)

    monkeypatch.setattr(fcntl, "flock", lock_once_it_is_gone)
    with held_run_dir(path, keep=False) as run_dir:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert os.path.samestat(os.fstat(run_dir.lock), (path / "docsort.lock").stat())


def test_its_lock_is_removed_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever starts meanwhile would take it for a folder of a user's files."""
    path, remove = tmp_path / "run", shutil.rmtree
    left: list[str] = []

    def remove_and_look(place: Path, ignore_errors: bool) -> None:
        if place == path:
            left.extend(os.listdir(path))
        remove(place, ignore_errors)

    with held_run_dir(path, keep=False) as run_dir:
        (run_dir.path / "torchserve.log").write_text("said")
        monkeypatch.setattr(shutil, "rmtree", remove_and_look)
    assert left == ["docsort.lock"]
    assert not path.exists()


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="there is no systemd-tmpfiles")
def test_what_is_not_touched_for_long_stays_while_it_serves(tmp_path: Path) -> None:
    rule = tmp_path / "all-at-any-age.conf"
    rule.write_text(f"d {tmp_path / 'tmp'} - - - 0")
    path = tmp_path / "tmp" / "run"
    with held_run_dir(path, keep=True) as run_dir:
        run_dir.open_gate.touch()
        subprocess.run(["systemd-tmpfiles", "--clean", rule], check=True)
        assert run_dir.open_gate.exists()
        assert (path / "docsort.lock").exists()
    subprocess.run(["systemd-tmpfiles", "--clean", rule], check=True)
    assert not path.exists()


def test_a_link_or_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServingError, match="not a folder"), held_run_dir(tmp_path / "link", False):
        pytest.fail("entered")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_someone_elses_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    os.chown(tmp_path / "run", 12345, 12345)
    with pytest.raises(ServingError, match="of yours"), held_run_dir(tmp_path / "run", False):
        pytest.fail("entered")


def test_a_path_too_long_for_sockets(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 120)
    with pytest.raises(ServingError, match="shorter --run-dir"), held_run_dir(path, keep=False):
        pytest.fail("entered")
