"""A row of the cascade's table, with literal expectations; the recorded command."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import cascade


def test_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four documents the linear model answers two, and errs where the encoder doesn't."""
    answers = [(0, "linear"), (1, "linear"), (1, "encoder"), (0, "encoder")]
    given = [
        SimpleNamespace(probabilities=np.eye(2)[c], receipt=SimpleNamespace(answered_by=who))
        for c, who in answers
    ]
    monkeypatch.setattr(cascade, "_score", lambda *_: given)
    calibration = SimpleNamespace(cascade=SimpleNamespace(threshold=0.9))
    scorer: Any = SimpleNamespace(bundle=SimpleNamespace(calibration=calibration))
    truth = np.array([0, 0, 0, 0])
    wrong_D = np.array([False, False, True, False])
    rates: cascade.Rates = {None: [10.0, 11.0, 12.0], 0.01: [20.0, 33.0, 22.0]}
    row = cascade._row(0.01, scorer, ["a"] * 4, truth, wrong_D, rates)
    assert row == {
        "max_extra_error": 0.01,
        "threshold": 0.9,
        "answered_by_linear": 0.5,
        "wrongly_by_linear": 0.25,
        "accuracy": 0.5,
        "extra_error": 0.25,
        "docs_per_s": 22.0,
        "docs_per_s_by_round": [20.0, 33.0, 22.0],
        "times_as_fast": 2.0,
    }


def test_the_command_names_files_without_their_paths() -> None:
    files = {name: Path(f"/home/someone/{name}.csv") for name in ("train", "test")}
    given = Namespace(bundle=Path("runs/r8/bundle"), timed=400, **files)
    assert cascade._command(given) == (
        "python -m benchmarks.cascade --bundle bundle --train train.csv --test test.csv --timed 400"
    )
