"""A server of its own for the trials: MiniLM with an untrained layer, and a leaking control."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.faults.soak import CONTROL, leaking_archive
from benchmarks.faults.target import Target
from benchmarks.scoring import untrained_scorer
from docsort.serving.archive import build_archive

MODEL, VERSION = "trial", "1.0"
START_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class TrialServer:
    """``docsort serve`` in a process of its own."""

    target: Target
    process: "subprocess.Popen[bytes]"


@contextmanager
def trial_server(leak_bytes: int, *options: str) -> Iterator[TrialServer]:
    """Serve on a free loopback port while the block runs; ``options`` are those of serve."""
    with tempfile.TemporaryDirectory(prefix="docsort-trial-") as name:
        folder = Path(name)
        untrained_scorer(folder / "bundle")
        archive = build_archive(folder / "bundle", MODEL, VERSION, folder / "store")
        control = folder / "store" / f"{MODEL}-{CONTROL}.mar"
        leaking_archive(archive, control, leak_bytes)
        port = _free_port()
        command = [sys.executable, "-m", "docsort", "serve", "--port", str(port), *options]
        command += ["--run-dir", str(folder / "run"), str(archive), str(control)]
        with (folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(url, process, folder / "output.txt")
            # loaded behind the server's back once it is ready; meanwhile TorchServe stalls some of
            # its connections
            _wait_until_answered(f"{url}/predictions/{MODEL}/{CONTROL}")
            yield TrialServer(Target(url, folder / "run", MODEL, VERSION), process)
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGTERM)
            process.wait(120)


def _wait_until_answered(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    headers = {"Content-Type": "text/plain"}
    while not httpx.post(url, content="a", headers=headers, timeout=60).is_success:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} has no worker")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the trial's server is not ready:\n{output.read_text()}")
