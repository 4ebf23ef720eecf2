"""The load generator against a real server: what it sends, and what it says became of it."""

import asyncio
import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.serving.load import BROKEN, NOT_SENT, TIMED_OUT, Load, Plan

BODIES = ("one", "zwei ä", "three")


@dataclass
class Seen:
    """What came to the server, and from how many connections."""

    bodies: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)


@contextmanager
def serving(
    status: int = 200, closes_unsaid: bool = False, holds: threading.Event | None = None
) -> Iterator[tuple[int, Seen]]:
    """A server that answers every request so; ``holds`` keeps answers back until it is set."""
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            seen.ports.add(self.client_address[1])
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            seen.bodies.append(body)
            if holds is not None:
                holds.wait(30)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            self.close_connection = closes_unsaid

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def plan(port: int, connections: int = 1, **more: float) -> Plan:
    given = {"seconds": 0.3, **more}
    return Plan("127.0.0.1", port, "/predict", "text/plain", BODIES, connections, **given)


def run(given: Plan) -> Load:
    load = Load(given)
    asyncio.run(load.run())
    return load


def test_a_client_asks_for_the_documents_in_their_order_on_one_connection() -> None:
    with serving() as (port, seen):
        load = run(plan(port))
    assert len(load.answers) == len(seen.bodies) > len(BODIES)
    assert seen.bodies[:4] == ["one", "zwei ä", "three", "one"]
    assert [answer[0] for answer in load.answers[:4]] == [0, 1, 2, 0]
    assert {answer[3] for answer in load.answers} == {200}
    assert len(seen.ports) == 1


def test_each_client_has_a_connection() -> None:
    with serving() as (port, seen):
        load = run(plan(port, connections=5))
    assert len(seen.ports) == 5
    assert {answer[3] for answer in load.answers} == {200}


def test_a_connection_closed_while_idle_is_no_error() -> None:
    with serving(closes_unsaid=True) as (port, seen):
        load = run(plan(port))
    assert {answer[3] for answer in load.answers} == {200}
    assert load.num_sent_again == len(load.answers) - 1
    assert len(seen.bodies) == len(load.answers)


def test_other_statuses_are_told() -> None:
    with serving(status=503) as (port, _):
        assert {answer[3] for answer in run(plan(port)).answers} == {503}


def test_no_server_is_told() -> None:
    with serving() as (port, _):
        pass
    assert {answer[3] for answer in run(plan(port)).answers} == {BROKEN}


def test_what_is_never_answered_is_told() -> None:
    holds = threading.Event()
    with serving(holds=holds) as (port, _):
        load = run(plan(port, timeout_s=0.2))
        holds.set()
    assert {answer[3] for answer in load.answers} == {TIMED_OUT}


def test_arrivals_do_not_wait_for_answers() -> None:
    holds = threading.Event()
    threading.Timer(1.0, holds.set).start()
    with serving(holds=holds) as (port, seen):
        load = run(plan(port, connections=4, arrivals_per_s=40.0, seconds=0.5))
    gaps = random.Random(1)
    due, expected = 0.0, []
    while (due := due + gaps.expovariate(40.0)) < 0.5:
        expected.append(due)
    assert sorted(answer[1] for answer in load.answers) == pytest.approx(expected)
    # four connections are taken, by the first four
    answered = sorted(answer for answer in load.answers if answer[3] == 200)
    assert len(seen.bodies) == len(answered) == 4
    assert {answer[3] for answer in load.answers} == {200, NOT_SENT}


def test_the_process_ends_by_itself_and_prints_the_answers() -> None:
    with serving() as (port, _):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.serving.load"],
            input=json.dumps(asdict(plan(port))),
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            timeout=60,
        )
    printed = json.loads(done.stdout)
    assert printed["answers"][0][0] == 0
    assert printed["answers"][0][3] == 200
