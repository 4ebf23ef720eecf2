"""Child processes end with all that they started, and never outlive the supervisor."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving.child import Child, group_members

# A leader with a child of its own; both ignore SIGTERM. It says when all is set up.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("ready", "w").close()
time.sleep(600)
"""


def until_exists(file: Path, child: Child) -> None:
    while not file.exists():
        child.check()


def start(folder: Path, code: str) -> Child:
    return Child("Test", [sys.executable, "-c", code], folder, folder / "log")


def test_ends_politely(tmp_path: Path) -> None:
    child = start(tmp_path, "open('ready', 'w').close(); import time; time.sleep(600)")
    until_exists(tmp_path / "ready", child)
    child.end(signal.SIGTERM, 30)
    assert child.exit_status == -signal.SIGTERM
    assert group_members(child.pid) == []


def test_kills_what_does_not_end_and_what_it_left_behind(tmp_path: Path) -> None:
    child = start(tmp_path, STUBBORN)
    until_exists(tmp_path / "ready", child)
    assert len(group_members(child.pid)) == 2
    child.end(signal.SIGTERM, 0.1)
    assert child.exit_status == -signal.SIGKILL
    assert group_members(child.pid) == []


def test_an_end_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = start(tmp_path, "import sys; print('no memory'); sys.exit(3)")
    child._process.wait()
    with pytest.raises(ServingError, match=r"Test ended by itself \(status 3\)(.|\n)*no memory"):
        child.check()


def test_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    supervisor = """
import os, signal, sys
from pathlib import Path
from docsort.serving.child import Child
code = "import time; open('ready', 'w').close(); time.sleep(600)"
child = Child("Test", [sys.executable, "-c", code], Path("."), Path("log"))
while not Path("ready").exists():
    child.check()
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    finished = subprocess.run(
        [sys.executable, "-c", supervisor],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == -signal.SIGKILL
    group = int(finished.stdout)
    deadline = time.monotonic() + 240  # the kernel's signal is under way
    while group_members(group):
        assert time.monotonic() < deadline


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    child = Child("Test", ["/no/such/program"], tmp_path, tmp_path / "log")
    child._process.wait()
    with pytest.raises(ServingError, match="Test ended by itself"):
        child.check()
