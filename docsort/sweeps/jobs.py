"""One run of a sweep as a process of its own; knows nothing of what it runs."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docsort.sweeps.shares import Share

LOG = "output.log"
# a status no process ends with: the machine it ran on is gone
LOST = 1000


@dataclass(frozen=True)
class Job:
    """A command, the folder it writes into, and variables that it alone gets."""

    number: int
    command: tuple[str, ...]
    folder: Path
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def run_job(job: Job, share: Share) -> int:
    """Run it to its end, its output going to its own log; returns its exit status.

    A session of its own keeps the terminal's Ctrl-C for the sweep; setpriv (util-linux) has the
    kernel kill it together with the sweep, so that a sweep that goes on never meets an old run.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    setpriv = shutil.which("setpriv")
    guard = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    with (
        (job.folder / LOG).open("ab") as log,
        subprocess.Popen(
            [*guard, *job.command],
            cwd=job.cwd,
            env={**os.environ, **share.environment(), **job.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise


def why(job: Job, status: int) -> str:
    """Why a job failed, in its own last words."""
    if status == LOST:
        return "the machine that ran it is gone"
    if status < 0:
        name = signal.Signals(-status).name
        return f"killed by {name}" + (", as for want of memory" if name == "SIGKILL" else "")
    log = job.folder / LOG
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
