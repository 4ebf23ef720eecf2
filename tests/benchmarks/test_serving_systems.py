"""A server of the benchmarks from its start to its end, with a real process that has a child."""

import json
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.serving.documents import Documents
from benchmarks.serving.points import Timing, closed
from benchmarks.serving.systems import Command, System, running
from benchmarks.startup import take_turns

# Answers 503 twice, as a server that still loads; its child sleeps on, as a worker would. Each
# request takes more of the processor than the system's clock can overlook.
SERVER = """
import http.server, json, subprocess, sys, time

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
left = [503, 503]

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        answer = json.dumps({"label": text, "score": 0.5}).encode()
        self.send_response(left.pop() if left else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def system(code: str) -> System:
    return System(
        "a server",
        "as it is",
        "/predict",
        "application/json",
        start=lambda _, port: Command([sys.executable, "-c", code, str(port)]),
        body=lambda text: json.dumps({"text": text}),
        read=lambda answer: (answer["label"], answer["score"]),
    )


def test_a_server_is_measured_and_ended_with_all_that_it_started(tmp_path: Path) -> None:
    documents = Documents("mixed", ("one", "two"), (10, 100))
    with running(system(SERVER), tmp_path / "server", "hello") as server:
        assert server.ask("some text") == ("some text", 0.5)
        point = closed(server, documents, 2, Timing(0.4, 0.1))
        (child,) = psutil.Process(server.usage.pid).children()
        alone = psutil.Process(server.usage.pid).memory_info().rss / 1e6
    assert point["errors"] == {}
    assert point["answers"] > 0
    assert point["cpu_ms_per_answer"] > 0
    assert point["peak_rss_mb"] > alone  # the child's is in it
    deadline = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_ends_by_itself_is_told_with_what_it_said(tmp_path: Path) -> None:
    ends = system("import sys; sys.exit('no such model')")
    with (
        pytest.raises(RuntimeError, match=r"(?s)a server ended by itself.*no such model"),
        running(ends, tmp_path / "server", "hello"),
    ):
        pass


def test_systems_take_turns_in_starting(tmp_path: Path) -> None:
    starts = take_turns([system(SERVER)], tmp_path, 2)
    assert len(starts["a server"]["seconds"]) == 2
    assert min(starts["a server"]["peak_rss_mb"]) > 0
