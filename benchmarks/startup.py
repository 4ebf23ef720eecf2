"""From nothing to the first answer: seconds, peak memory, and what has to be shipped.

    python -m benchmarks.startup [--rounds 3] [--image docsort=1234 …] [--quick]

The same weights as benchmarks/serving, each system with one process and no batching; docsort as a
user starts it. The systems take turns. Peers come from .peers, which scripts/peers makes. An
image's size in MB is given, since images are built elsewhere.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.axes import Axes

from benchmarks.machine import describe
from benchmarks.pictures import write_picture
from benchmarks.serving.docsort_system import NAME, docsort_system
from benchmarks.serving.models import Models
from benchmarks.serving.peers import NAMES, peers
from benchmarks.serving.systems import System, running
from benchmarks.tables import QUICK_RESULTS, RESULTS, table
from docsort.report.svg import ACCENT, MUTED

_TEXT = "A filter removes the high frequencies from a sampled signal."


def main() -> None:
    """Measure, and write the JSON, the table and the picture."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # servers end too
    options = _parser().parse_args()
    about = describe()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        models = Models.make(folder)
        systems, skipped = _systems(models)
        starts = take_turns(systems, folder / "s", 1 if options.quick else options.rounds)
        shipped = _shipped_mb(models)
    result = {
        "command": "python -m benchmarks.startup" + (" --quick" if options.quick else ""),
        **about,
        "systems": {
            system.name: {
                "setting": system.setting,
                "versions": system.versions,
                **starts[system.name],
                "shipped_mb": shipped.get(system.name, shipped[""]),
                "image_mb": dict(options.image).get(system.name),
            }
            for system in systems
        },
        "skipped": skipped,
    }
    folder = options.results or (QUICK_RESULTS if options.quick else RESULTS)
    print(_write(result, folder))


def take_turns(systems: Sequence[System], folder: Path, rounds: int) -> dict[str, Any]:
    """For each system, seconds to the first answer and peak memory in MB, one a round."""
    seen: dict[str, Any] = {system.name: {"seconds": [], "peak_rss_mb": []} for system in systems}
    for number in range(rounds):
        for system in systems:
            print(f"{system.name}: start {number + 1}", file=sys.stderr, flush=True)
            with running(system, folder / f"{number}-{systems.index(system)}", _TEXT) as server:
                seen[system.name]["seconds"].append(round(server.first_answer_s, 2))
                seen[system.name]["peak_rss_mb"].append(server.usage.peak_rss_mb)
    return seen


def _systems(models: Models) -> tuple[list[System], dict[str, str]]:
    """docsort and the first setting of each peer's grid; and why others are left out."""
    systems, skipped = [docsort_system(models.archive)], {}
    for name in NAMES:
        try:
            systems.append(peers(name, models.plain, models.plain_store)[0])
        except LookupError as error:
            skipped[name] = str(error)
            print(f"SKIPPED {name}: {error}", flush=True)
    return systems, skipped


def _shipped_mb(models: Models) -> dict[str, float]:
    """Archives of the two that have one; for all others the folder that transformers saved."""
    return {
        NAME: _mb(models.archive),
        NAMES[1]: _mb(models.plain_store / "plain.mar"),
        "": round(sum(_mb(file) for file in models.plain.iterdir()), 1),
    }


def _mb(file: Path) -> float:
    return round(file.stat().st_size / 1e6, 1)


def _write(result: Mapping[str, Any], folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{date.today().isoformat()}-startup"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _draw(result["systems"], folder / f"{name}.svg")
    text = "\n".join(_lines(result, name)) + "\n"
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return text


def _lines(result: Mapping[str, Any], name: str) -> Iterator[str]:
    systems = result["systems"]
    rounds = len(next(iter(systems.values()))["seconds"])
    columns = ["system", "seconds to the first answer (least to most)", "peak RSS MB"]
    columns += ["archive or model MB", "image MB", "setting", "versions"]
    yield from (
        f"# Start-up, {date.today().isoformat()}",
        "",
        f"`{result['command']}` at {result['commit']}; {result['machine']}, {result['cores']} "
        f"cores, load average {result['load_average']:.1f} at the start; medians of {rounds}. "
        "docsort's archive is proved before its first answer: golden documents are scored.",
        "",
        f"![Seconds to the first answer]({name}.svg)",
        "",
        *table(columns, [_row(system, found) for system, found in systems.items()]),
        *(f"\nSkipped: {skipped}: {reason}" for skipped, reason in result["skipped"].items()),
    )


def _row(name: str, found: Mapping[str, Any]) -> list[object]:
    seconds = found["seconds"]
    return [
        name,
        f"{median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})",
        f"{median(found['peak_rss_mb']):.0f}",
        found["shipped_mb"],
        found["image_mb"] or "-",
        found["setting"],
        found["versions"] or "-",
    ]


def _draw(systems: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    names = list(systems)[::-1]

    def bars(axes: Axes) -> None:
        colors = [ACCENT if name == NAME else MUTED for name in names]
        axes.barh(names, [median(systems[name]["seconds"]) for name in names], color=colors)
        axes.set(xlabel="seconds to the first answer")
        axes.grid(visible=False, axis="y")

    write_picture(path, bars, "Seconds from the start to the first answer")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.startup")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, to see that it runs")
    parser.add_argument("--results", type=Path, help=f"default: {RESULTS.name}, or {QUICK_RESULTS}")
    parser.add_argument(
        "--image",
        type=_image,
        action="append",
        default=[],
        metavar="SYSTEM=MB",
        help="size of a system's image",
    )
    return parser


def _image(given: str) -> tuple[str, float]:
    name, _, size = given.partition("=")
    if name not in (NAME, *NAMES) or not size.replace(".", "", 1).isdigit():
        raise argparse.ArgumentTypeError(f"{given}; accepted is SYSTEM=MB, such as {NAME}=1234")
    return name, float(size)


if __name__ == "__main__":
    main()
