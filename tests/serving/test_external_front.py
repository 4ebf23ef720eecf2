"""Another container's Nginx: configured without being started, and waited for at the end."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from docsort.serving.child import Child
from docsort.serving.external_front import ExternalFront
from docsort.serving.nginx import Share, end_nginx, start_nginx
from docsort.serving.programs import find_nginx
from docsort.serving.run_dir import RunDir, held_run_dir
from docsort.serving.settings import ServeSettings
from tests.serving.conftest import free_port


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    run_dir = RunDir(tmp_path / "run", os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    run_dir.open_gate.touch()
    return run_dir


@pytest.fixture
def settings(run_dir: RunDir) -> ServeSettings:
    return ServeSettings(
        Path("store"), run_dir.path, port=free_port(), nginx="external", drain_timeout_s=20
    )


@pytest.fixture
def nginx(settings: ServeSettings, run_dir: RunDir) -> Iterator[Child]:
    """As the other container would start it, once it is configured."""
    ExternalFront(settings, run_dir).apply([], "t0ken")
    nginx = start_nginx(find_nginx(), run_dir)
    wait_until_alive(settings)
    yield nginx
    end_nginx(nginx, 1)


def wait_until_alive(settings: ServeSettings) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            assert httpx.get(settings.url + "/livez").status_code == 200
            return
        except httpx.TransportError:
            time.sleep(0.02)
    pytest.fail("Nginx does not answer")


@pytest.fixture
def torchserve(run_dir: RunDir) -> Iterator[socket.socket]:
    """In TorchServe's place, a socket that the test answers on."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(run_dir.inference))
        listening.listen()
        listening.settimeout(60)
        yield listening


def classify(settings: ServeSettings) -> httpx.Response:
    return httpx.post(f"{settings.url}/predictions/tiny", json={"text": "the bank"}, timeout=60)


def test_a_change_waits_until_nginx_serves_by_it(
    settings: ServeSettings, run_dir: RunDir, nginx: Child
) -> None:
    done = threading.Event()

    def change() -> None:
        ExternalFront(settings, run_dir).apply([Share("tiny", "2.0", 10)], "t0ken")
        done.set()

    thread = threading.Thread(target=change)
    before = run_dir.nginx_config.read_text()
    thread.start()
    while run_dir.nginx_config.read_text() == before:
        time.sleep(0.01)
    assert not done.wait(0.3)
    nginx.send(signal.SIGHUP)  # the other container's part
    thread.join(30)
    assert done.is_set()


@pytest.mark.parametrize("ping", [200, 500])
@pytest.mark.usefixtures("nginx")
def test_a_model_container_that_was_killed_is_not_ready(
    settings: ServeSettings, run_dir: RunDir, torchserve: socket.socket, ping: int
) -> None:
    def readyz() -> tuple[int, dict[str, Any]]:
        answer = httpx.get(f"{settings.url}/readyz", timeout=60)
        return answer.status_code, answer.json()

    def answer_a_ping() -> None:
        upstream, _ = torchserve.accept()
        with upstream:
            asked.append(upstream.recv(4096))
            upstream.sendall(f"HTTP/1.1 {ping} x\r\nContent-Length: 2\r\n\r\n{{}}".encode())

    asked: list[bytes] = []
    run_dir.ready.write_text('{"status": "ready"}')
    thread = threading.Thread(target=answer_a_ping)
    thread.start()
    # what TorchServe thinks of its models is no matter
    assert readyz() == (200, {"status": "ready"})
    thread.join(10)
    assert asked[0].startswith(b"GET /ping HTTP/1.1\r\n")
    assert b"Bearer t0ken" in asked[0]
    torchserve.close()  # as the kernel does for the killed; its leavings are still there
    assert run_dir.ready.exists()
    assert run_dir.inference.exists()
    status, body = readyz()
    assert (status, body["error"]["type"]) == (503, "not_ready")
    assert httpx.get(f"{settings.url}/reachable").json()["error"]["type"] == "not_found"


def test_without_an_nginx_nothing_is_waited_for(settings: ServeSettings, run_dir: RunDir) -> None:
    ExternalFront(settings, run_dir).apply([], "t0ken")
    assert "Bearer t0ken" in run_dir.nginx_config.read_text()


@pytest.mark.usefixtures("nginx")
def test_the_end_waits_for_what_is_in_flight_and_lets_nothing_in(
    settings: ServeSettings, run_dir: RunDir, torchserve: socket.socket
) -> None:
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(classify(settings)))
    asking.start()
    upstream, _ = torchserve.accept()
    ending = threading.Thread(target=ExternalFront(settings, run_dir).end)
    ending.start()
    while run_dir.open_gate.exists():
        time.sleep(0.01)
    assert classify(settings).json()["error"]["type"] == "not_ready"
    assert ending.is_alive()
    body = b'{"label": "finance"}'
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    upstream.sendall(head.encode() + body)
    ending.join(10)
    asking.join(10)
    upstream.close()
    assert not ending.is_alive()
    assert [answer.json() for answer in answers] == [{"label": "finance"}]


@pytest.mark.usefixtures("nginx")
def test_a_supervisor_that_begins_anew_is_not_ready_yet(
    settings: ServeSettings, run_dir: RunDir
) -> None:
    page = httpx.get(settings.url)
    run_dir.ready.write_text('{"status": "ready"}')
    (run_dir.path / "docsort.lock").touch()  # a supervisor has ended here
    with held_run_dir(run_dir.path, keep=True):
        for answer in (classify(settings), httpx.get(f"{settings.url}/readyz")):
            assert (answer.status_code, answer.json()["error"]["type"]) == (503, "not_ready")
            assert int(answer.headers["Retry-After"]) > 0
        again = httpx.get(settings.url)
        assert (again.status_code, again.content) == (200, page.content)
