"""One holder at a time, also after a kill and where the file system has no locks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docsort.core.errors import ConfigError
from docsort.core.locks import exclusive

HELD = ConfigError("held by another")
HOLDER = """
import sys, time
from pathlib import Path
from docsort.core.errors import ConfigError
from docsort.core.locks import exclusive
with exclusive(Path(sys.argv[1]), ConfigError("held by another")):
    print("held", flush=True)
    time.sleep(600)
"""


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="held by another"), exclusive(lock, HELD):
            pass
        holder.kill()
    assert lock.exists()
    with exclusive(lock, HELD):
        pass
    assert not lock.exists()


def test_error_in_the_block_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError, match="the block's own"), exclusive(tmp_path / "a", HELD):
        raise BlockingIOError("the block's own")
    with exclusive(tmp_path / "a", HELD):
        pass


def test_lock_that_its_holder_has_just_removed_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / ".lock"

    def removed(*_: object) -> None:
        lock.unlink()

    monkeypatch.setattr("fcntl.flock", removed)
    with pytest.raises(ConfigError, match="held by another"), exclusive(lock, HELD):
        pass


def test_file_system_without_locks_gives_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refused)
    with exclusive(tmp_path / ".lock", HELD):
        pass
    assert f"warning: {tmp_path} is on a file system without locks" in capsys.readouterr().err
