"""What a server is to the benchmarks: how it is started and asked; and one that runs."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.serving.usage import Usage
from docsort.serving.child import Child

HOST = "127.0.0.1"
START_TIMEOUT_S = 300.0
_END_TIMEOUT_S = 30.0
_POLL_S = 0.05
# What the project's environment has for itself would change a peer's.
_DROPPED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Command:
    """What to start, with what the environment has besides."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """A server at one setting.

    Attributes:
        start: of a fresh folder and a free port, the command.
        body: a text to a request's body.
        read: an answer's JSON to the best label and its score.
        versions: packages that make it what it is.
    """

    name: str
    setting: str
    path: str
    content_type: str
    start: Callable[[Path, int], Command]
    body: Callable[[str], str]
    read: Callable[[Any], tuple[str, float]]
    versions: str = ""


@dataclass(frozen=True)
class Running:
    """A system that answers. ``first_answer_s``: from its start to its first answer."""

    system: System
    port: int
    folder: Path
    usage: Usage
    first_answer_s: float

    def ask(self, text: str) -> tuple[str, float]:
        """The best label of a text, and its score. Raises RuntimeError on any error."""
        status, answer = _post(self.system, self.port, text)
        if status != 200:
            raise RuntimeError(f"{self.system.name} answers {status}: {answer[:300]!r}")
        return self.system.read(json.loads(answer))


@contextmanager
def running(system: System, folder: Path, text: str) -> Iterator[Running]:
    """Serve while the block runs; it begins when ``text`` was answered.

    Raises:
        RuntimeError: it ends by itself or does not answer; the message has the end of its log.
    """
    folder.mkdir(parents=True)
    port = free_port()
    command = system.start(folder, port)
    environment = {k: v for k, v in os.environ.items() if k not in _DROPPED}
    # hubs and telemetry are asked for nothing, whatever a peer's default
    environment |= {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment |= {"TMPDIR": str(folder), "TEMP": str(folder), **command.environment}
    began = time.perf_counter()
    child = Child(system.name, command.words, folder, folder / "output.txt", environment)
    try:
        usage = Usage(child.pid)
        try:
            _wait_for_answer(system, child, port, text)
            yield Running(system, port, folder, usage, time.perf_counter() - began)
        finally:
            usage.close()
    finally:
        child.end(signal.SIGTERM, _END_TIMEOUT_S)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_for_answer(system: System, child: Child, port: int, text: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    seen = "no connection"
    while time.monotonic() < deadline:
        if child.exit_status is not None:
            raise RuntimeError(f"{system.name} ended by itself; {child.last_lines()}")
        try:
            status, answer = _post(system, port, text)
            if status == 200:
                return
            seen = f"{status} {answer[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            seen = type(error).__name__
        time.sleep(_POLL_S)
    raise RuntimeError(
        f"{system.name} does not answer within {START_TIMEOUT_S:.0f} s ({seen}); "
        f"{child.last_lines()}"
    )


def _post(system: System, port: int, text: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        headers = {"Content-Type": system.content_type}
        connection.request("POST", system.path, system.body(text).encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
