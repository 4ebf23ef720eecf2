"""Seconds and resident memory of each stage on a csv of a million short texts, to the 50th step.

    python -m benchmarks.million_rows [--rows 1000000] [--steps 50] [--folder FOLDER]

Made-up texts of 6 to 19 words: common ones, and two that tell the label, out of seeded random
numbers; a hundredth of the rows are copies. `docsort train` reads them for the first time, in a
process of its own, whose memory is looked at ten times a second; a stage ends with the line that
the command prints after it. Memory-mapped pages count as resident. Few documents are held out, for
the validation and test that follow the steps are not what is measured here.
"""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.machine import describe

LABELS = 20
COPIES_SHARE = 0.01
HELD_OUT = 1000
# What the command prints when a stage has ended.
STAGES = {
    "labels; documents:": "reading and splitting",
    "audit   ": "audit",
    "linear baseline:": "linear baseline",
    "bundle  ": "tokenising, steps, validation, test, report",
}
LOOK_EVERY_S = 0.1


def main() -> None:
    """Make the csv, train on it, print each stage and the run's own figures as JSON."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        _write_csv(folder / "million.csv", arguments.rows)
        stages = []
        for stage in _stages(folder, arguments.steps):
            print(stage, file=sys.stderr)  # kept, should a later one fail
            stages.append(stage)
        metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    result = {
        "command": f"python -m benchmarks.million_rows --rows {arguments.rows}",
        "stages": stages,
        "peak_rss_gib": max(stage["peak_rss_gib"] for stage in stages),
        "seconds_of_steps": round(metrics["train/seconds"], 1),
        "docs_per_s": round(metrics["train/docs_per_s"], 1),
        **describe(),
    }
    print(json.dumps(result, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.million_rows")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="for csv, cache and run; default: the system's")
    return parser


def _write_csv(path: Path, num_rows: int) -> None:
    rng = random.Random(1)
    common = [f"word{n}" for n in range(20_000)]
    telling = [[f"topic{c}term{n}" for n in range(200)] for c in range(LABELS)]
    before = ("an empty beginning", 0)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("text", "label"))
        for _ in range(num_rows):
            if rng.random() > COPIES_SHARE:
                label = rng.randrange(LABELS)
                words = rng.choices(common, k=rng.randint(4, 17)) + rng.choices(telling[label], k=2)
                before = (" ".join(words), label)
            writer.writerow((before[0], f"label {before[1]}"))


def _stages(folder: Path, num_steps: int) -> Iterator[dict[str, float | str]]:
    """Run the command; one entry for each stage, as it ends."""
    command = [
        *(sys.executable, "-m", "docsort", "train", "data=csv", f"data.train={folder}/million.csv"),
        *(f"trainer.max_steps={num_steps}", f"data.max_held_out={HELD_OUT}"),
        f"hydra.run.dir={folder}/run",
    ]
    own_caches = {
        "DOCSORT_CACHE": str(folder / "cache"),
        "HF_DATASETS_CACHE": str(folder / "datasets"),
    }
    environment = {**os.environ, **own_caches, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        memory = _Memory(process.pid)
        assert process.stdout is not None
        for line in process.stdout:
            for told, stage in STAGES.items():
                if told in line:
                    now = time.monotonic()
                    yield {
                        "stage": stage,
                        "seconds": round(now - started, 1),
                        "peak_rss_gib": round(memory.peak_since() / 2**30, 2),
                    }
                    started = now
    if process.returncode:
        sys.exit(process.returncode)


class _Memory:
    """The highest resident memory of a process since it was last asked for."""

    def __init__(self, pid: int) -> None:
        self._process, self._peak = psutil.Process(pid), 0
        threading.Thread(target=self._watch, daemon=True).start()

    def peak_since(self) -> int:
        """Bytes."""
        peak, self._peak = self._peak, 0
        return peak

    def _watch(self) -> None:
        while True:
            try:
                self._peak = max(self._peak, self._process.memory_info().rss)
            except psutil.NoSuchProcess:
                return
            time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    main()
