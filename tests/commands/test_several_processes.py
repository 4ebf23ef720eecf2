"""Two processes of one run, by the command line, on this machine's CPU."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.commands.conftest import toy_rows, write_csv


def test_two_processes_make_one_run(overrides: list[str], tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", toy_rows(160, 1))
    test = write_csv(tmp_path / "test.csv", toy_rows(24, 3))
    data = ["data=csv", f"data.train={train}", f"data.test={test}", "data.name=toy"]
    several = ["data.batch_size=4", "trainer.devices=2", "trainer.strategy=ddp"]
    several.append("logger=tensorboard")
    folder = tmp_path / "run"
    where = f"hydra.run.dir={folder}"
    ran = subprocess.run(
        [sys.executable, "-m", "docsort", "train", *data, *overrides, *several, where],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for once in ("linear baseline:", "labels; documents:", "bundle  ", "report  "):
        assert ran.stdout.count(once) == 1, once
    assert "GLOBAL_RANK" not in ran.stderr
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    # every document once an epoch; the speed takes both for equal, though one's share of a last
    # batch may be larger by one
    seen = round(metrics["train/docs_per_s"] * metrics["train/seconds"], 6)
    given = int(re.findall(r"documents: train (\d+)", ran.stdout)[0])
    assert seen == pytest.approx(metrics["train/epochs"] * given, abs=metrics["train/epochs"])
    events = EventAccumulator(str(folder / "logs" / "tensorboard")).Reload()
    (result,) = events.Scalars("results/test/accuracy")
    assert result.value == pytest.approx(metrics["test/accuracy"])
    steps = [event.step for event in events.Scalars("train/loss")]
    assert steps == sorted(set(steps))
    assert metrics["test/accuracy"] > 0.7  # as with one process, see test_train.py
    assert len(pd.read_parquet(folder / "predictions.parquet")) == 24
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
