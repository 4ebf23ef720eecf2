"""A short form of each trial of benchmarks/faults, and that each of them can find something."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import httpx
import pytest

from benchmarks.faults import hang_ups, limits, malformed, reachable, soak
from benchmarks.faults.target import Neighbour, Target
from docsort.core.errors import RequestError
from docsort.serving.client import classify_at
from docsort.serving.keys import add_key
from tests.serving.conftest import MAX_BODY_BYTES, RunningServer, start_server

LEAK_BYTES = 300_000
QUEUE_SIZE, CLIENT_CONNECTIONS = 12, 10
BURST_TEXT = "the profit of the bank " * 500


@pytest.fixture
def target(server: RunningServer) -> Target:
    return Target(server.url, server.run_dir, "tiny", "1.0")


def test_malformed_requests_are_refused_and_harm_nobody(target: Target) -> None:
    thrown = malformed.throw(target, num=300, seed=2)
    assert thrown.findings == []
    assert thrown.same_workers
    assert thrown.neighbour.is_well, str(thrown.neighbour)
    assert sum(thrown.ends.values()) == 300
    assert len(thrown.ends) > 4  # they do come to different ends


def test_they_are_the_same_for_a_seed_and_a_good_one_would_be_found(target: Target) -> None:
    import random

    some = [malformed.malformed(random.Random(7), target.path) for _ in range(2)]
    assert some[0] == some[1]
    good = malformed._post(target.path, b"a bank", "text/plain")
    assert asyncio.run(malformed.end_of(target.address, good)) == "200"


def test_nothing_but_the_contract_is_reachable(target: Target) -> None:
    reached = reachable.walk(target)
    assert reached.num_requests > 10_000
    assert reached.findings == []
    assert reached.same_models


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{\n  "status": "Healthy"\n}\n'),
        (404, b'{"code": 404, "type": "ResourceNotFoundException", "message": "no such"}'),
        (500, b'{"error": {"code": 500, "type": "internal", "message": ""}}'),
        (404, b"<html>"),
        (204, b""),
    ],
)
def test_what_is_torchserves_would_be_found(status: int, body: bytes) -> None:
    assert not reachable._is_ours(status, body, "GET", {b"the contract's own"})
    assert not reachable._is_ours(status, body, "POST", {b"the contract's own"})


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/./predictions/tiny?a=/..", "/predictions/tiny"),
        ("http://torchserve/%70redictions/tiny", "/predictions/tiny"),
        ("/livez/%2e%2e/predictions/tiny", "/predictions/tiny"),
        ("/predictions/x/..%2f../predictions/tiny", "/predictions/tiny"),
        ("/predictions/tiny/", "/predictions/tiny/"),
        ("//predictions/tiny", "//predictions/tiny"),
        ("/%2570redictions/tiny", "/%70redictions/tiny"),
        ("/livez/..;/predictions/tiny", "/livez/..;/predictions/tiny"),
    ],
)
def test_a_path_is_resolved_as_nginx_does(path: str, meant: str) -> None:
    assert reachable._resolved(path) == meant


def test_documents_at_the_limit_and_one_byte_over(target: Target) -> None:
    assert list(limits.at_the_limit(target, MAX_BODY_BYTES).values()) == [200, 200, 413, 413]


def test_slow_clients_are_in_nobodys_way(target: Target) -> None:
    slow = limits.slow_clients(target, num=90, seconds=2)
    assert slow.neighbour.is_well, str(slow.neighbour)


def test_slow_clients_that_are_not_let_go_would_be_found() -> None:
    well = Neighbour([200], [0.01])
    assert limits.Slow(500, 334, 30, well).held
    assert not limits.Slow(500, 333, 30, well).held
    assert not limits.Slow(500, 334, 30, Neighbour([503], [0.01])).held


@pytest.fixture(scope="module")
def small(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Room for few requests, fewer of one address; version 1.0 and a copy that leaks; with keys."""
    folder = tmp_path_factory.mktemp("small")
    own = folder / "store"
    own.mkdir()
    archives = [own / "tiny-1.0.mar", own / f"tiny-{soak.CONTROL}.mar"]
    archives[0].hardlink_to(store / "tiny-1.0.mar")
    soak.leaking_archive(archives[0], archives[1], LEAK_BYTES)
    keys = folder / "keys.txt"
    (folder / "key").write_text(add_key(keys, "tests"))
    options = ["--batch-size", "1", "--queue-size", str(QUEUE_SIZE), "--api-keys", str(keys)]
    options += ["--client-connections", str(CLIENT_CONNECTIONS)]
    server = start_server(folder, *options, *map(str, archives))
    try:
        server.wait_until_ready(num_versions=2)
        yield server
    finally:
        server.stop()


@pytest.fixture
def crowded(small: RunningServer) -> Target:
    key = (small.output.parent / "key").read_text()
    return Target(small.url, small.run_dir, "tiny", "1.0", key)


def test_only_those_with_a_key_are_answered(crowded: Target) -> None:
    for key in (None, crowded.api_key[:-1]):
        with pytest.raises(RequestError, match="give an API key") as refused:
            classify_at(crowded.url, "tiny", ["a bank"], api_key=key)
        assert refused.value.status == 401
    (answer,) = classify_at(crowded.url, "tiny", ["a bank"], "1.0", api_key=crowded.api_key)
    assert answer["model"]["version"] == "1.0"
    assert httpx.get(crowded.url + "/readyz").status_code == 200


def test_a_full_queue_refuses_at_once_and_then_drains(crowded: Target) -> None:
    num = 3 * QUEUE_SIZE
    num_accepted = QUEUE_SIZE + 1  # the worker has one
    refused, answers = asyncio.run(fill_queue(crowded, num, num - num_accepted))
    assert {answer.status for answer in refused} == {503}
    assert all("Retry-After" in answer.headers for answer in refused)
    assert sum(answer.status == 200 for answer in answers) == num_accepted


async def fill_queue(
    target: Target, num: int, num_refused: int
) -> tuple[list[limits.Answer], list[limits.Answer]]:
    """The answers that come while the worker is held, and all; each address asks once."""
    request = limits.request_of(target, "a bank")
    asks = [limits.ask(target, request, f"127.0.0.{16 + n}") for n in range(num)]
    tasks = [asyncio.create_task(ask) for ask in asks]
    with stopped(*target.workers()):
        first = islice(asyncio.as_completed(tasks, timeout=60), num_refused)
        refused = [await answer for answer in first]
    return refused, await asyncio.gather(*tasks)


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Processes that do nothing while the block runs."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_burst_is_answered_or_refused_with_retry_after(crowded: Target) -> None:
    burst = limits.burst(crowded, seconds=1, text=BURST_TEXT, times=5)
    assert burst.failed == []
    assert set(burst.statuses) <= limits.ALLOWED
    assert burst.statuses[200] > 0
    assert burst.without_retry_after == 0
    assert burst.held


def test_clients_that_hang_up_cost_other_addresses_no_answer(crowded: Target) -> None:
    gone = hang_ups.hang_up(crowded, num=150, text=BURST_TEXT)
    assert gone.neighbour.is_well, str(gone.neighbour)
    assert set(gone.half_closed) <= {200, 429}
    assert gone.half_closed[200] > 0


def test_memory_does_not_grow_where_a_leaking_control_does(
    small: RunningServer, crowded: Target
) -> None:
    soaked = soak.soak(crowded, small.process.pid, seconds=300, max_answers=400)
    assert soaked.statuses <= {200, 422, 503}
    growth = {kind: soaked.growth_mib(kind) for kind in soaked.samples_mib}
    assert set(growth) == {"supervisor", "TorchServe", "Nginx", "workers", "control's workers"}
    control = growth.pop("control's workers")
    assert control > 20
    assert growth["workers"] < control / 2
    assert growth["Nginx"] < 5
    assert growth["supervisor"] < 20


def test_right_answers_that_come_too_late_do_not_hold() -> None:
    in_time = Neighbour([200] * 200, [0.01] * 199 + [2.0])
    late = Neighbour([200] * 200, [0.01] * 199 + [50.31])
    assert (in_time.is_well, late.is_well) == (True, True)
    assert (in_time.held, late.held) == (True, False)
    assert "all 200, unchanged, p50 0.010 s, p99 0.01 s, worst 50.31 s (under 10 s" in str(late)
    assert "all 200, CHANGED" in str(Neighbour([200], [0.01], is_unchanged=False))


def test_the_memory_of_all_of_a_versions_workers_counts() -> None:
    pids = {os.getpid(), os.getppid()}

    class Several(Target):
        def workers(self) -> set[int]:
            return pids

    target = Several("http://127.0.0.1:1", Path(), "tiny", "1.0")
    found = soak.processes_of(target, target, os.getpid())
    assert {process.pid for process in found["workers"]} == pids


def test_a_server_that_never_answers_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malformed, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(malformed, "PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(silent.accept()[0]))
        thread.start()
        assert asyncio.run(malformed.end_of(silent.getsockname(), b"x")) == "silence"
        thread.join()
        accepted[0].close()
