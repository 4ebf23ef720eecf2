"""docsort and its peers through HTTP, side by side in one run.

    python -m benchmarks.serving [--data FILE.csv] [--quick] [--systems "docsort;LitServe"]

Same machine, weights and documents for all: MiniLM with an untrained layer, a sample of the texts.
With --bundle docsort has weights of its own, and no ratios are printed. Peers come from .peers,
which scripts/peers makes. Takes most of the time of `make bench` (docs/benchmarks.md); --quick only
shows that everything runs, and its figures mean nothing.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.serving.docsort_system import NAME
from benchmarks.serving.documents import read_documents
from benchmarks.serving.models import Models
from benchmarks.serving.peers import NAMES
from benchmarks.serving.points import Timing
from benchmarks.serving.results import write
from benchmarks.serving.session import Session, capacity
from benchmarks.tables import QUICK_RESULTS, RESULTS
from docsort.core.bundle import read_bundle
from docsort.core.errors import BundleError

NUM_DOCUMENTS, NUM_LONG = 128, 32


def main() -> None:
    """Measure, and write the JSON, the table and the pictures."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # servers end too
    options = _parser().parse_args()
    mixed, long = read_documents(options.data, options.documents, NUM_LONG)
    timing = Timing(1.5, 0.5) if options.quick else Timing(options.seconds, 1.5)
    grid_timing = Timing(1.0, 0.5) if options.quick else Timing(options.seconds / 2, 1.0)
    result: dict[str, Any] = {
        "command": _command(options),
        "data": options.data.name if options.data else "library_docs",
        **({"bundle": options.bundle.name} if options.bundle else {}),
        "documents": {
            some.name: {"num": len(some.texts), "mean_tokens": round(some.mean_tokens, 1)}
            for some in (mixed, long)
        },
        "seconds_a_point": timing.seconds,
        **describe(),
        "skipped": {},
        "systems": {},
    }
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        session = Session(
            Models.make(folder, options.bundle), mixed, long, folder / "s", timing, grid_timing
        )
        _measure(session, options, result)
    result["minutes"] = round((time.monotonic() - began) / 60, 1)
    folder = options.results or (QUICK_RESULTS if options.quick else RESULTS)
    print(write(result, folder))
    if NAME in options.systems and NAME in result["skipped"]:
        sys.exit(f"{NAME} could not be measured: {result['skipped'][NAME]}")


def _measure(session: Session, options: argparse.Namespace, result: dict[str, Any]) -> None:
    """Peers first: docsort is then also asked at the arrivals that the best of them could take."""
    systems = result["systems"]

    def measure(name: str, how: Callable[[], dict[str, Any]]) -> None:
        if name not in options.systems:
            result["skipped"][name] = "not asked for (--systems)"
            return
        try:
            systems[name] = how()
        except (LookupError, RuntimeError, subprocess.SubprocessError) as error:
            result["skipped"][name] = str(error)
            print(f"SKIPPED {name}: {error}", flush=True)

    for name in NAMES:
        measure(name, partial(session.peer, name))
    best = max(systems, key=lambda name: capacity(systems[name]), default=None)
    result["best_peer"] = best
    other = capacity(systems[best]) if best else None
    measure(NAME, partial(session.docsort, options.serve_options.split(), other))


def _command(options: argparse.Namespace) -> str:
    words = ["python -m benchmarks.serving"]
    words += [f"--data {options.data.name}"] if options.data else []
    words += [f"--bundle {options.bundle.name}"] if options.bundle else []
    words += [f'--serve-options "{options.serve_options}"'] if options.serve_options else []
    return " ".join([*words, "--quick"] if options.quick else words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.serving")
    parser.add_argument("--data", type=Path, help="a csv with a column text; default: library_docs")
    parser.add_argument("--documents", type=int, default=NUM_DOCUMENTS, help="mixed, in the sample")
    parser.add_argument("--seconds", type=float, default=8.0, help="that a point counts")
    parser.add_argument("--quick", action="store_true", help="a second or two a point")
    parser.add_argument("--results", type=Path, help=f"default: {RESULTS.name}, or {QUICK_RESULTS}")
    parser.add_argument("--bundle", type=_bundle, help="that docsort serves; default: untrained")
    parser.add_argument(
        "--serve-options", default="", help='of `docsort serve`, such as "--threads 1 --workers 2"'
    )
    parser.add_argument(
        "--systems",
        type=_names,
        default=(NAME, *NAMES),
        help=f"of {', '.join((NAME, *NAMES))}, separated by ;",
    )
    return parser


def _bundle(given: str) -> Path:
    """Single-label: the best label's score alone is compared with what was computed here."""
    try:
        task = read_bundle(given).task
    except BundleError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if task != "single_label":
        raise argparse.ArgumentTypeError(f"{given} is {task}; accepted is a single_label bundle")
    return Path(given)


def _names(given: str) -> tuple[str, ...]:
    """A name's beginning will do: Flask;LitServe."""
    every = (NAME, *NAMES)
    names = [
        name
        for each in given.split(";")
        for name in every
        if name.lower().startswith(each.strip().lower())
    ]
    if len(names) != len(given.split(";")):
        raise argparse.ArgumentTypeError(f"{given}; accepted are {'; '.join(every)}")
    return tuple(names)


if __name__ == "__main__":
    main()
