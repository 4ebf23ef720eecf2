"""Two processes of one run, by the command line, on this machine's CPU."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.commands.conftest import toy_rows, write_csv


@pytest.fixture
def command(overrides: list[str], tmp_path: Path) -> list[str]:
    """All but the run's folder."""
    train = write_csv(tmp_path / "train.csv", toy_rows(160, 1))
    test = write_csv(tmp_path / "test.csv", toy_rows(24, 3))
    data = ["data=csv", f"data.train={train}", f"data.test={test}", "data.name=toy"]
    several = ["data.batch_size=4", "trainer.devices=2", "trainer.strategy=ddp"]
    return [sys.executable, "-m", "docsort", "train", *data, *overrides, *several]


def ended(command: list[str]) -> "subprocess.CompletedProcess[str]":
    ran = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran


def test_two_processes_make_one_run(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ran = ended([*command, "logger=tensorboard", f"hydra.run.dir={folder}"])
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


def test_two_processes_that_are_stopped_together_go_on_to_the_same_weights(
    command: list[str], tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    ended([*command, f"hydra.run.dir={whole}"])
    command += [f"hydra.run.dir={stopped}", "checkpoint_minutes=0"]
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as first,
    ):
        while not (stopped / "checkpoints" / "last.ckpt").exists():
            assert first.poll() is None, (tmp_path / "errors").read_text()
            time.sleep(0.01)
        first.send_signal(signal.SIGTERM)  # to this one alone; the other learns of it
    said = (tmp_path / "errors").read_text()
    assert first.returncode == 143, said
    assert said.count("stopped by SIGTERM in epoch") == 1
    ended([*command, "resume=auto"])
    weights = [load_file(folder / "bundle" / "model.safetensors") for folder in (whole, stopped)]
    assert weights[0].keys() == weights[1].keys()
    for name, values in weights[0].items():
        assert torch.equal(values, weights[1][name]), name
