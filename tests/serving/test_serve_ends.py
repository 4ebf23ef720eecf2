"""How serving ends, what it starts again, and that the wanted state outlives its processes."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from zipfile import ZipFile

import httpx
import pytest

from benchmarks.fault_trial import of_version
from docsort.serving.child import group_members
from docsort.serving.front import asked
from docsort.serving.mar import read_archive
from docsort.serving.run_dir import RunDir
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import read_wanted, wanted_from, write_wanted
from tests.serving.conftest import PLAIN, RunningServer, start_server


def test_ctrl_c_ends_all_and_answers_the_requests_in_flight(store: Path, tmp_path: Path) -> None:
    server = start_server(tmp_path, str(store / "tiny-1.0.mar"))
    try:
        server.wait_until_ready()
        groups = children_of(server.process.pid)
        assert len(groups) == 2
        half = b"a bank " * 250
        address = urlsplit(server.url).netloc
        in_flight = [HTTPConnection(address, timeout=60) for _ in range(4)]
        for connection in in_flight:
            connection.putrequest("POST", "/predictions/tiny")
            for name, value in {**PLAIN, "Content-Length": str(2 * len(half))}.items():
                connection.putheader(name, value)
            connection.endheaders(half)
        # begun by Nginx, as is the question that tells so
        front = RunDir(server.run_dir, -1).front
        wait_until(server, lambda: "Writing: 5 " in (asked(front, "/status") or ""))
        server.process.send_signal(signal.SIGINT)
        wait_until(server, lambda: is_refused(address))
        for connection in in_flight:
            with closing(connection):
                connection.send(half)
                answer = connection.getresponse()
                assert answer.status == 200
                assert json.loads(answer.read())["model"]["version"] == "1.0"
    finally:
        assert server.stop() == 0
    assert [group_members(group) for group in groups] == [[], []]
    assert not list(server.run_dir.rglob("*.sock"))
    assert server.output.read_text().splitlines()[-1] == "ended"


def wait_until(server: RunningServer, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not holds():
        assert server.process.poll() is None, server.output.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_refused(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in tasks for child in file.read_text().split()]


def test_what_dies_is_started_again_and_serves_the_same(store: Path, tmp_path: Path) -> None:
    server = start_server(tmp_path, str(store / "tiny-1.0.mar"))
    try:
        server.wait_until_ready()
        before = httpx.get(f"{server.url}/readyz").json()
        for name, program in (("Nginx", "nginx: master"), ("TorchServe", "ModelServer")):
            commands = {
                Path(f"/proc/{pid}/cmdline").read_bytes().decode(): pid
                for pid in children_of(server.process.pid)
            }
            (victim,) = [pid for command, pid in commands.items() if program in command]
            os.kill(victim, signal.SIGKILL)
            server.wait_until_said(f"{name} ended by itself (status -9); starting again")
            server.wait_until_ready()
            assert group_members(victim) == []
            answer = httpx.post(f"{server.url}/predictions/tiny", content="a", headers=PLAIN)
            assert answer.json()["model"]["version"] == "1.0"
            assert httpx.get(f"{server.url}/readyz").json() == before
    finally:
        assert server.stop() == 0


def test_who_names_a_version_is_told_to_wait_until_it_is_loaded(
    store: Path, tmp_path: Path
) -> None:
    archives = [str(store / f"tiny-{version}.mar") for version in ("1.0", "2.0")]
    server = start_server(tmp_path, *archives)
    try:
        server.wait_until_ready()  # the default alone
        assert statuses_until_answered(server) == {503, 200}
        (victim,) = [
            pid
            for pid in children_of(server.process.pid)
            if b"ModelServer" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(victim, signal.SIGKILL)
        server.wait_until_said("TorchServe ended by itself (status -9); starting again")
        server.wait_until_ready()
        assert statuses_until_answered(server) == {503, 200}
    finally:
        assert server.stop() == 0


def statuses_until_answered(server: RunningServer) -> set[int]:
    """All that a client of tiny 1.0 gets, up to its answer; an unknown version is 404 meanwhile."""
    statuses = set()
    while 200 not in statuses:
        assert server.process.poll() is None, server.output.read_text()
        for version in ("1.0", "9.9"):
            url = f"{server.url}/predictions/tiny/{version}"
            answer = httpx.post(url, content="a", headers=PLAIN)
            if version == "9.9":
                assert answer.json()["error"]["type"] == "model_not_found"
            elif answer.status_code == 503:
                assert answer.json()["error"]["type"] == "not_ready"
                assert int(answer.headers["Retry-After"]) > 0
            if version == "1.0":
                statuses.add(answer.status_code)
    return statuses


# What an error of CUDA does to a worker: from one document on, every one fails.
BREAKABLE = b"""
_predict = Scorer.predict
_broken = False

def _breakable(self, documents):
    global _broken
    _broken = _broken or any(document.receipt.tokens == 33 for document in documents)
    if _broken:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    return _predict(self, documents)

Scorer.predict = _breakable
"""


def test_a_worker_that_fails_on_everything_is_replaced(store: Path, tmp_path: Path) -> None:
    good = store / "tiny-1.0.mar"
    with ZipFile(good) as content:
        scorer = content.read("docsort/core/scorer.py")
    changes: dict[str, bytes | None] = {"docsort/core/scorer.py": scorer + BREAKABLE}
    server = start_server(tmp_path, str(of_version(good, tmp_path / "breakable.mar", changes)))
    try:
        server.wait_until_ready()
        url = f"{server.url}/predictions/tiny"
        assert httpx.post(url, content="a", headers=PLAIN).status_code == 200
        assert httpx.post(url, content="a " * 33, headers=PLAIN).status_code == 500
        deadline = time.monotonic() + 240
        # a request may wait in the queue until the new worker has loaded
        while httpx.post(url, content="a", headers=PLAIN, timeout=240).status_code != 200:
            assert time.monotonic() < deadline
        server.wait_until_ready()
        assert "fails on everything" in (server.run_dir / "torchserve.log").read_text()
    finally:
        assert server.stop() == 0


def test_readiness_follows_the_default_versions_worker(server: RunningServer) -> None:
    (worker,) = workers_of(server, "2.0")
    before = server.output.read_text()
    os.kill(worker, signal.SIGKILL)
    seen = []
    deadline = time.monotonic() + 120
    while seen[-2:] != [503, 200]:
        assert server.process.poll() is None, server.output.read_text()
        assert time.monotonic() < deadline, seen
        status = httpx.get(f"{server.url}/readyz").status_code
        if status != (seen[-1] if seen else None):
            seen.append(status)
    # at once: what is ready answers
    answer = httpx.post(f"{server.url}/predictions/tiny", content="bank", headers=PLAIN)
    assert answer.json()["model"]["version"] == "2.0"
    assert workers_of(server, "2.0") != [worker]
    said = server.output.read_text().removeprefix(before).splitlines()
    assert said[0].startswith("not ready: tiny 2.0 ")
    assert httpx.get(f"{server.url}/livez").status_code == 200


def workers_of(server: RunningServer, version: str) -> list[int]:
    """Process ids of a version's workers, as TorchServe says."""
    keys = json.loads((server.run_dir / "key_file.json").read_text())
    headers = {"Authorization": f"Bearer {keys['management']['key']}"}
    transport = httpx.HTTPTransport(uds=str(server.run_dir / "management.sock"))
    with httpx.Client(transport=transport, base_url="http://x", headers=headers) as client:
        (description,) = client.get(f"/models/tiny/{version}").json()
    return [worker["pid"] for worker in description["workers"]]


def first_answers(server: RunningServer) -> tuple[httpx.Response, httpx.Response]:
    """What /readyz and a prediction answer as soon as /livez says that the server is alive."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            alive = httpx.get(f"{server.url}/livez")
        except httpx.TransportError:  # `nginx -t` listens for a moment, and answers nothing
            assert server.process.poll() is None, server.output.read_text()
            continue
        assert alive.json() == {"status": "alive"}
        url = f"{server.url}/predictions/tiny"
        return httpx.get(f"{server.url}/readyz"), httpx.post(url, content="a", headers=PLAIN)
    pytest.fail("not alive within 120 s")


def test_the_wanted_state_serves_before_and_after_the_supervisor_is_killed(
    store: Path, tmp_path: Path
) -> None:
    own = tmp_path / "store"
    own.mkdir()
    for version in ("1.0", "2.0"):
        os.link(store / f"tiny-{version}.mar", own / f"tiny-{version}.mar")
    (tiny,) = wanted_from([read_archive(own / f"tiny-{v}.mar") for v in ("1.0", "2.0")])
    write_wanted(own, [WantedModel("tiny", "1.0", tiny.versions)])
    wanted = {"tiny": {"default": "1.0", "versions": ["1.0", "2.0"]}}
    begun = read_wanted(own)

    server = start_server(tmp_path, "--store", str(own))
    try:
        # alive, but closed until the default version has answered its golden documents
        for answer in first_answers(server):
            assert answer.status_code == 503
            assert answer.json()["error"]["type"] == "not_ready"
            assert int(answer.headers["Retry-After"]) > 0
        server.wait_until_ready(num_versions=2)
        assert httpx.get(f"{server.url}/readyz").json()["models"] == wanted
        groups = children_of(server.process.pid)
    finally:
        server.process.kill()
        server.process.wait(60)

    again = start_server(tmp_path, "--store", str(own))  # in the same run directory
    try:
        again.wait_until_ready(num_versions=2)
        assert httpx.get(f"{again.url}/readyz").json()["models"] == wanted
        assert [group_members(group) for group in groups] == [[], []]
    finally:
        assert again.stop(signal.SIGTERM) == 0
    assert read_wanted(own) == begun
