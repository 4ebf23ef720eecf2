"""A job is a process: its log, its environment, its end, and its end with the sweep's."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from docsort.sweeps.jobs import LOST, run_job, why
from docsort.sweeps.shares import Share
from tests.sweeps.conftest import MakeJob

# runs a job that tells its process id and then waits for ever
SWEEP = """
import signal
import sys
from pathlib import Path
from docsort.sweeps.jobs import Job
from docsort.sweeps.places import Joblib, OneByOne
from docsort.sweeps.shares import Demand
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
wait = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
jobs = [Job(0, (sys.executable, "-c", wait), Path(sys.argv[1]), Path.cwd())]
demand = Demand(1, on_gpus=False)
PLACE.run_all(iter(jobs), print)
"""


def test_a_share_and_variables_of_its_own(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    script = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['OWN'])"
    job = make_job(0, script, OWN="mine")
    assert run_job(job, Share(2)) == 0
    assert (job.folder / "output.log").read_text(encoding="utf-8") == "2 mine\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit('no such table')", "no such table"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(7)", "it said nothing"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL, as for want of mem"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "killed by SIGTERM"),
    ],
)
def test_why_it_failed(make_job: MakeJob, script: str, said: str) -> None:
    job = make_job(0, script)
    status = run_job(job, Share(1))
    assert status != 0
    assert said in why(job, status)


def test_a_lost_machine(make_job: MakeJob) -> None:
    assert "gone" in why(make_job(0, ""), LOST)


@pytest.mark.parametrize("place", ["OneByOne(demand)", "Joblib(1, demand)"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_ends_with_the_sweep(tmp_path: Path, how: signal.Signals, place: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SWEEP.replace("PLACE", place), str(tmp_path)],
        stderr=subprocess.DEVNULL,
    ) as sweep:
        log = tmp_path / "output.log"
        while not (log.is_file() and log.read_text(encoding="utf-8").endswith("\n")):
            assert sweep.poll() is None
            time.sleep(0.02)
        sweep.send_signal(how)
        try:
            assert sweep.wait(60) != 0
        finally:
            sweep.kill()
    job = int(log.read_text(encoding="utf-8"))
    deadline = time.monotonic() + 240
    while _runs(job):
        assert time.monotonic() < deadline, "the job outlived its sweep"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        os.kill(pid, 0)
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
