"""A server under a crowd, to which things happen: how long until it is ready, and what failed.

The model is tiny and random: what is tried is the server.
"""

import json
import os
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import httpx

from benchmarks.crowd import Crowd
from benchmarks.tiny_archives import TinyArchives
from docsort.core.errors import ServingError
from docsort.serving.control_client import ask
from docsort.serving.run_dir import RunDir
from docsort.serving.torchserve import TorchServeApi
from tests.serving.conftest import RunningServer, start_server
from tests.serving.test_mar import rewrite

RESPONSE_TIMEOUT_S = 5
_READY_WITHIN_S = 300.0
# A worker of this version ends as it loads, as soon as the file is there.
_CRASHING = """
import os
if os.path.exists({flag!r}):
    os._exit(1)
"""


@dataclass
class Outcome:
    """One fault: how long until ready, and what became of the requests meanwhile."""

    fault: str
    seconds: list[float] = field(default_factory=list)
    crowds: list[Crowd] = field(default_factory=list)
    same_versions: bool = True

    def row(self) -> list[object]:
        """Cells of the table."""
        failures: dict[str, int] = {}
        for crowd in self.crowds:
            for outcome, count in crowd.failures().items():
                failures[outcome] = failures.get(outcome, 0) + count
        answered = sum(sum(crowd.versions().values()) for crowd in self.crowds)
        said = ", ".join(f"{outcome}: {count}" for outcome, count in sorted(failures.items()))
        return [
            self.fault,
            len(self.seconds),
            f"{median(self.seconds):.1f}",
            f"{max(self.seconds):.1f}",
            answered,
            said or "none",
            "yes" if self.same_versions else "NO",
        ]


@dataclass
class Trial:
    """A server with tiny 1.0 by default and 2.0, and a crowd's size."""

    folder: Path
    archives: TinyArchives
    num_clients: int
    server: RunningServer

    def try_fault(self, fault: str, do: Callable[[], None], times: int = 1) -> Outcome:
        """Under a crowd: let it happen, wait for readiness, see that the versions are the same."""
        outcome = Outcome(fault)
        for _ in range(times):
            crowd = Crowd(f"{self.server.url}/predictions/tiny", self.num_clients)
            before = self.versions()
            with crowd.asking():
                time.sleep(1.0)
                began_s = time.monotonic()
                do()
                self.wait_until_answering(began_s)
                outcome.seconds.append(time.monotonic() - began_s)
            outcome.crowds.append(crowd)
            outcome.same_versions &= self.versions() == before
        return outcome

    def versions(self) -> object:
        """What the supervisor wants and has, once all of it is loaded."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            listed = ask(self.control, "list")
            if all(one["ready"] for one in listed) or time.monotonic() > deadline:
                return listed
            time.sleep(0.2)

    def wait_until_answering(self, began_s: float) -> None:
        """Until /readyz answers 200 and so does a prediction, later than the fault was seen."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                ready = httpx.get(f"{self.server.url}/readyz").status_code == 200
                headers = {"Content-Type": "text/plain"}
                url = f"{self.server.url}/predictions/tiny"
                answer = httpx.post(url, content="a", headers=headers, timeout=60)
                if ready and answer.status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.server.output.read_text())

    @property
    def control(self) -> Path:
        return RunDir(self.server.run_dir, -1).control

    def workers(self, version: str) -> set[int]:
        """Process ids, as TorchServe says."""
        api = TorchServeApi(RunDir(self.server.run_dir, -1), 60.0)
        try:
            return api.ready_workers("tiny", version)
        finally:
            api.close()

    def signal_worker(self, version: str, how: signal.Signals) -> None:
        """Send it, and return once TorchServe no longer counts that worker."""
        before = self.workers(version)
        for pid in before:
            os.kill(pid, how)
        deadline = time.monotonic() + _READY_WITHIN_S
        while self.workers(version) & before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if how == signal.SIGSTOP:
            for pid in before:
                _kill_if_there(pid)

    def kill_child(self, program: str) -> None:
        """Kill the supervisor's child whose command line has the word."""
        tasks = Path(f"/proc/{self.server.process.pid}/task").glob("*/children")
        children = [int(child) for file in tasks for child in file.read_text().split()]
        for pid in children:
            if program in Path(f"/proc/{pid}/cmdline").read_bytes().decode():
                os.kill(pid, signal.SIGKILL)

    def kill_supervisor(self) -> None:
        """Kill it and start another in the same run directory, as an init would."""
        self.server.process.kill()
        self.server.process.wait()
        url = self.server.url
        again = start(self.folder, self.archives, "--port", url.rpartition(":")[2])
        self.server = replace(again, url=url)

    def crash_loop(self) -> str:
        """A canary begins to end as it loads; how it is withdrawn, and what promoting it does."""
        flag = self.folder / "crash"
        handler = (Path(__file__).parents[1] / "handlers" / "docsort_handler.py").read_text()
        crashing = of_version(
            self.archives.first,
            self.folder / "crashing.mar",
            {"docsort_handler.py": (handler + _CRASHING.format(flag=str(flag))).encode()},
        )
        ask(self.control, "register", file=str(crashing), sha256=None)
        ask(self.control, "canary", name="tiny", version="3.0", percent=10)
        flag.touch()
        self.signal_worker("3.0", signal.SIGKILL)
        began_s = time.monotonic()
        while not any(one["canary_withdrawn"] for one in ask(self.control, "list")):
            assert time.monotonic() < began_s + _READY_WITHIN_S, self.server.output.read_text()
            time.sleep(0.2)
        withdrawn = f"withdrawn after {time.monotonic() - began_s:.0f} s"
        try:
            ask(self.control, "promote", name="tiny", version="3.0")
            said = "PROMOTED"
        except ServingError as error:
            said = str(error)
        ask(self.control, "retire", name="tiny", version="3.0")
        return f"{withdrawn}; promoting it: {said}"


def start(folder: Path, archives: TinyArchives, *arguments: str) -> RunningServer:
    """A server of the trials' store, with a short response timeout."""
    timeout = ["--response-timeout-s", str(RESPONSE_TIMEOUT_S)]
    return start_server(folder, "--store", str(archives.store), *timeout, *arguments)


def of_version(archive: Path, target: Path, changes: dict[str, bytes | None]) -> Path:
    """A copy of an archive as version 3.0 of its model, with changes."""
    shutil.copy(archive, target)
    with zipfile.ZipFile(target) as content:
        manifest = json.loads(content.read("MAR-INF/MANIFEST.json"))
    manifest["model"]["modelVersion"] = "3.0"
    return rewrite(target, {"MAR-INF/MANIFEST.json": json.dumps(manifest).encode(), **changes})


def _kill_if_there(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
