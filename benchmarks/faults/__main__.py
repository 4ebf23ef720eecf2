"""All trials of the wall, in one run, into one dated table under benchmarks/results.

    python -m benchmarks.faults [--faults 5 6 8 7] [--soak-minutes 10] [--seed 1]

Exits with 1 if one did not hold. The server is the pretrained MiniLM on this machine's cores.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.faults import hang_ups, limits, malformed, reachable, soak
from benchmarks.faults.server import TrialServer, trial_server
from benchmarks.machine import describe
from docsort.serving.settings import ServeSettings

COMMAND = "python -m benchmarks.faults"
RESULTS = Path(__file__).parents[1] / "results"
# At some hundred batches a minute, far over what caches and arenas come to.
LEAK_BYTES = 200_000
MAX_GROWTH_MIB = 50.0
BURST_TEXT = "the profit of the bank and its market share rose in the last season " * 8


@dataclass(frozen=True)
class Trial:
    """One line of the table."""

    fault: str
    what: str
    outcome: str
    held: bool


def main() -> int:
    """Run, print and write the table."""
    arguments = _parser().parse_args()
    trials: list[Trial] = []
    about = {"arguments": vars(arguments), **describe()}
    with trial_server(LEAK_BYTES) as server:
        for trial in chain.from_iterable(FAULTS[f](server, arguments) for f in arguments.faults):
            print(
                f"{'held' if trial.held else 'NOT HELD'}: {trial.what}: {trial.outcome}", flush=True
            )
            trials.append(trial)
            _write(trials, about)  # after each, so that a run that is cut short has its figures
    return 0 if all(trial.held for trial in trials) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.faults")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=[*FAULTS], metavar="N")
    parser.add_argument("--requests", type=int, default=10_000, help="malformed ones")
    parser.add_argument("--slow-clients", type=int, default=500)
    parser.add_argument("--hang-ups", type=int, default=3_000, help="requests of clients that go")
    parser.add_argument("--soak-minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def _malformed(server: TrialServer, arguments: argparse.Namespace) -> Iterator[Trial]:
    thrown = malformed.throw(server.target, arguments.requests, arguments.seed)
    ends = ", ".join(f"{num} {end}" for end, num in thrown.ends.most_common())
    outcome = f"{ends}; longest {thrown.longest_s:.1f} s; "
    outcome += f"{'the same worker' if thrown.same_workers else 'ANOTHER WORKER'}; "
    outcome += f"{thrown.neighbour}"
    yield Trial("5", f"{arguments.requests} malformed requests", outcome, thrown.held)


def _limits(server: TrialServer, arguments: argparse.Namespace) -> Iterator[Trial]:
    max_body_bytes = ServeSettings(Path(), Path("/")).max_body_bytes
    statuses = limits.at_the_limit(server.target, max_body_bytes)
    said = "; ".join(f"{what}: {status}" for what, status in statuses.items())
    held = list(statuses.values()) == [200, 200, 413, 413]
    yield Trial("6", "documents at the limit", said, held)

    slow = limits.slow_clients(server.target, arguments.slow_clients, seconds=30)
    outcome = f"{slow.num_let_go} let go within {slow.seconds:.0f} s; {slow.neighbour}"
    yield Trial("6", f"{slow.num} slow clients", outcome, slow.held)

    gone = hang_ups.hang_up(server.target, arguments.hang_ups, BURST_TEXT)
    ends = ", ".join(f"{num} answered {status}" for status, num in sorted(gone.half_closed.items()))
    outcome = f"of half-closed ones {ends}; {gone.neighbour}"
    yield Trial("6", f"{gone.num} requests of clients that hang up", outcome, gone.held)

    burst = limits.burst(server.target, seconds=10, text=BURST_TEXT)
    ends = ", ".join(f"{num} answered {status}" for status, num in sorted(burst.statuses.items()))
    kinds = ", ".join(sorted({end.partition("(")[0] for end in burst.failed}))
    outcome = f"{ends}; {len(burst.failed)} without an answer{kinds and f' ({kinds})'}; "
    outcome += f"refusals within {burst.longest_refusal_s:.1f} s; "
    outcome += f"ten in a row answered {burst.recovery_s:.1f} s after the last"
    what = f"{burst.num} requests at five times {burst.capacity_per_s:.1f}/s"
    yield Trial("6", what, outcome, burst.held and burst.statuses[503] > 0)


def _reachable(server: TrialServer, arguments: argparse.Namespace) -> Iterator[Trial]:
    reached = reachable.walk(server.target)
    outcome = f"{len(reached.findings)} reached anything but the contract"
    yield Trial("8", f"{reached.num_requests} requests for TorchServe's API", outcome, reached.held)


def _soak(server: TrialServer, arguments: argparse.Namespace) -> Iterator[Trial]:
    soaked = soak.soak(server.target, server.process.pid, 60 * arguments.soak_minutes)
    growth = {kind: soaked.growth_mib(kind) for kind in soaked.samples_mib}
    outcome = f"{soaked.num_answers} answers {sorted(soaked.statuses)}; growth in MiB: "
    outcome += ", ".join(f"{kind} {mib:+.1f}" for kind, mib in growth.items())
    control = growth.pop("control's workers")
    held = max(growth.values()) < MAX_GROWTH_MIB < control and soaked.statuses <= {200, 422}
    what = f"{arguments.soak_minutes:g} minutes of load, with a leaking control"
    yield Trial("7", what, outcome, held)


FAULTS = {"5": _malformed, "6": _limits, "8": _reachable, "7": _soak}


def _write(trials: list[Trial], about: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    faults = about["arguments"]["faults"]
    name = "-".join(["faults-of-the-wall", *(faults if faults != [*FAULTS] else [])])
    stem = RESULTS / f"{date.today().isoformat()}-{name}"
    content = {"command": COMMAND, **about, "trials": [asdict(trial) for trial in trials]}
    stem.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    lines = [
        f"# The wall under faults, {date.today().isoformat()}",
        "",
        f"`{COMMAND} --faults {' '.join(faults)} --seed {about['arguments']['seed']}` at "
        f"{about['commit']}; "
        f"{about['machine']}, {about['cores']} cores, load average {about['load_average']:.1f}.",
        "",
        "| fault | what | outcome | held |",
        "|---|---|---|---|",
        *(f"| {t.fault} | {t.what} | {t.outcome} | {'yes' if t.held else 'no'} |" for t in trials),
    ]
    stem.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
