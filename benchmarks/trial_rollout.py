"""Rounds of register, canary, promote, rollback and retire under a crowd of clients.

    python -m benchmarks.trial_rollout [--rounds 20] [--clients 16]

The model is tiny and random: what is tried is the rollout. Writes a dated table under
benchmarks/results.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.crowd import Crowd
from benchmarks.tables import write_table
from benchmarks.tiny_archives import build_tiny_archives
from docsort.serving.control_client import ask
from docsort.serving.run_dir import RunDir
from tests.serving.conftest import RunningServer, start_server

RESPONSE_TIMEOUT_S = 5
_STEP_ANSWERS = 30  # of the crowd, after each step


def main() -> None:
    """Run the rounds, print the table, write it."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        archives = build_tiny_archives(Path(folder))
        timeout = ["--response-timeout-s", str(RESPONSE_TIMEOUT_S)]
        server = start_server(Path(folder), "--store", str(archives.store), *timeout)
        try:
            server.wait_until_ready()
            result = run_rounds(server, archives.second, options.rounds, options.clients)
        finally:
            server.stop()
    rows = [[step, f"{median(s):.1f}", f"{max(s):.1f}"] for step, s in result["seconds"].items()]
    write_table(
        "trial-rollout",
        f"{options.rounds} rounds of a rollout under {options.clients} clients",
        f"python -m benchmarks.trial_rollout --rounds {options.rounds} --clients {options.clients}",
        ["step", "median s", "slowest s"],
        rows,
        notes=[
            f"Requests answered: {sum(result['versions'].values())}, by version "
            f"{dict(result['versions'])}. Failed: {sum(result['failures'].values())} "
            f"({dict(result['failures']) or 'none'}). Answered by a version that no longer or not "
            f"yet was to answer: {result['misled']}.",
            f"Sent again by the client, since Nginx had closed the idle connection while it was "
            f"used: {result['sent_again']} (a reload in Nginx 1.22 does so).",
        ],
    )


def run_rounds(
    server: RunningServer, archive: Path, num_rounds: int, num_clients: int
) -> dict[str, Any]:
    """Rounds with a server whose default is tiny 1.0; ``archive`` is tiny 2.0."""
    crowd = Crowd(f"{server.url}/predictions/tiny", num_clients)
    seconds: dict[str, list[float]] = {}
    misled = 0
    with crowd.asking():
        for _ in range(num_rounds):
            misled += _round(server, crowd, str(archive), seconds)
    return {
        "seconds": seconds,
        "versions": crowd.versions(),
        "failures": crowd.failures(),
        "sent_again": crowd.num_sent_again,
        "misled": misled,
    }


def _round(
    server: RunningServer, crowd: Crowd, archive: str, seconds: dict[str, list[float]]
) -> int:
    """One round; how many answers came from a version that was not to give any."""
    socket = RunDir(server.run_dir, -1).control

    def step(what: str, *allowed: str, **arguments: Any) -> int:
        began_s = time.monotonic()
        ask(socket, what, **arguments)
        done_s = time.monotonic()
        seconds.setdefault(what, []).append(done_s - began_s)
        _wait_for_answers(crowd, done_s)
        seen = crowd.versions(after_s=done_s)
        return sum(count for version, count in seen.items() if version not in allowed)

    two = {"name": "tiny", "version": "2.0"}
    return (
        step("register", "1.0", file=archive, sha256=None)
        + step("canary", "1.0", "2.0", **two, percent=25)
        + step("promote", "2.0", **two)
        + step("rollback", "1.0", name="tiny")
        + step("retire", "1.0", **two)
    )


def _wait_for_answers(crowd: Crowd, after_s: float) -> None:
    deadline = time.monotonic() + 120
    while sum(crowd.versions(after_s).values()) < _STEP_ANSWERS:
        assert time.monotonic() < deadline, crowd.failures()
        time.sleep(0.05)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.trial_rollout")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=16)
    return parser


if __name__ == "__main__":
    main()
