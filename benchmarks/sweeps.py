"""The same search three times: killed half-way and resumed, by joblib, and on a local Ray cluster.

    python -m benchmarks.sweeps [--trials 12] [--folder FOLDER] [data=csv data.train=FILE ...]

On a small cut of library_docs, or on what the settings at the end say. What is shown: trials by
outcome, the best score, seconds, and how many trials ran at the same time at most.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import optuna

from benchmarks.machine import describe
from docsort.sweeps.study import DATABASE, interrupted
from docsort.sweeps.trial import open_storage

SMALL = [
    *("data=library_docs", "data.train_per_label=5", "data.val_share=0.05"),
    *("data.test_share=0.05", "model.window=64", "model.max_windows=1"),
]
SEARCH = (
    *("train", "-m", "sweep=optuna"),
    *("model.optimizer.lr=tag(log,interval(1e-6,1e-3))", "trainer.max_epochs=range(1,4)"),
    "hydra.sweeper.n_startup_trials=3",
)
PARALLEL_JOBS = 2
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run all three, print the table, write it and the JSON under benchmarks/results."""
    parser = argparse.ArgumentParser("python -m benchmarks.sweeps")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--folder", type=Path, help="an empty one; the sweeps stay in it")
    parser.add_argument("settings", nargs="*", default=SMALL)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="sweeps-"))
    if folder.is_dir() and any(folder.iterdir()):
        parser.error(f"{folder} holds something: its sweeps would go on, and nothing be measured")
    given = () if arguments.settings is SMALL else arguments.settings
    command = ("python", "-m", "benchmarks.sweeps", "--trials", str(arguments.trials), *given)
    about = {"command": shlex.join(command), "trials": arguments.trials, **describe()}
    settings = [*arguments.settings, f"hydra.sweeper.n_trials={arguments.trials}"]
    jobs = f"hydra.launcher.n_jobs={PARALLEL_JOBS}"
    rows = {
        "one by one, killed once": _killed_once(folder / "killed", settings, arguments.trials // 2),
        f"joblib, {PARALLEL_JOBS} jobs": _whole(
            folder / "joblib", [*settings, "hydra/launcher=joblib", jobs]
        ),
        f"Ray, {PARALLEL_JOBS} jobs": _whole(
            folder / "ray", [*settings, "hydra/launcher=ray", jobs]
        ),
    }
    _write(about, rows)


def _command(folder: Path, settings: list[str]) -> list[str]:
    return [sys.executable, "-m", "docsort", *SEARCH, *settings, f"hydra.sweep.dir={folder}"]


def _whole(folder: Path, settings: list[str]) -> dict[str, Any]:
    started = time.perf_counter()
    subprocess.run(_command(folder, settings), check=True)
    return {"seconds": round(time.perf_counter() - started), **outcome(folder)}


def _killed_once(folder: Path, settings: list[str], trial: int) -> dict[str, Any]:
    """SIGKILL once this trial has written a checkpoint; then the same command again."""
    started = time.perf_counter()
    with subprocess.Popen(_command(folder, settings)) as sweep:
        while not any((folder / str(trial) / "checkpoints").glob("*.ckpt")):
            if sweep.poll() is not None:
                raise SystemExit("the sweep ended before it could be killed")
            time.sleep(0.05)
        sweep.send_signal(signal.SIGKILL)
    before = outcome(folder)
    print(f"killed with {before['outcomes']}", flush=True)
    after = _whole(folder, settings)
    return {**after, "seconds": round(time.perf_counter() - started), "before the kill": before}


def outcome(folder: Path) -> dict[str, Any]:
    """What a sweep's study says of its trials."""
    study = optuna.load_study(
        study_name="sweep", storage=open_storage(f"sqlite:///{folder / DATABASE}")
    )
    trials = study.trials
    names = ["interrupted" if interrupted(trial) else trial.state.name.lower() for trial in trials]
    scores = [trial.value for trial in trials if trial.state.name == "COMPLETE"]
    return {
        "outcomes": dict(Counter(names)),
        "best": round(max(scores), 4) if scores else None,
        "at_once": _most_at_once(trials),
    }


def _most_at_once(trials: list[optuna.trial.FrozenTrial]) -> int:
    """Most trials that ran at the same time; an end counts before a beginning."""
    changes = sorted(
        [(t.datetime_complete, -1) for t in trials if t.datetime_complete]
        + [(t.datetime_start, 1) for t in trials if t.datetime_start and t.datetime_complete],
    )
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def _write(about: dict[str, Any], rows: dict[str, dict[str, Any]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    stem = RESULTS / f"{date.today().isoformat()}-sweeps"
    stem.with_suffix(".json").write_text(
        json.dumps({**about, "sweeps": rows}, indent=2) + "\n", encoding="utf-8"
    )
    lines = [
        f"# Sweeps, {date.today().isoformat()}",
        "",
        f"`{about['command']}` at {about['commit']}; {about['machine']}, {about['cores']} cores, "
        f"load {about['load_average']:.1f} at the start; {about['trials']} trials each.",
        "",
        "| sweep | outcomes | best val macro-F1 | most at once | seconds |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        said = ", ".join(f"{count} {state}" for state, count in sorted(row["outcomes"].items()))
        lines.append(f"| {name} | {said} | {row['best']} | {row['at_once']} | {row['seconds']} |")
    stem.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
