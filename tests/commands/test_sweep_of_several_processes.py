"""A search whose trials are two processes each: Lightning's children belong to one trial alone."""

import json
import re
from pathlib import Path

import optuna

from docsort.sweeps.study import DATABASE
from tests.commands.conftest import Docsort, toy_rows, write_csv


def test_a_search(docsort: Docsort, overrides: list[str], tmp_path: Path) -> None:
    """Of two learning rates the second learns nothing, so that its trial is pruned."""
    train = write_csv(tmp_path / "train.csv", toy_rows(120, 1))
    study = optuna.create_study(
        study_name="sweep", storage=f"sqlite:///{tmp_path / DATABASE}", direction="maximize"
    )
    for lr in (1e-2, 30.0):
        study.enqueue_trial({"model.optimizer.lr": lr})
    status, out, err = docsort(
        *("train", "-m", "sweep=optuna", "data=csv", f"data.train={train}", *overrides),
        *("trainer.devices=2", "trainer.strategy=ddp", "data.batch_size=4"),
        *("trainer.max_epochs=3", "model.optimizer.lr=interval(1e-3,30)", "model.dropout=0.1"),
        *("model.optimizer.warmup_share=0.1", "model.label_smoothing=0.0"),
        *("hydra.sweeper.n_trials=2", "hydra.sweeper.n_startup_trials=1"),
        f"hydra.sweep.dir={tmp_path}",
    )
    assert status == 0, err
    told = re.findall(r"^run (\d): (\S+) .*lr=(\S+)", out, flags=re.MULTILINE)
    assert told == [("0", "val/macro_f1", "0.01"), ("1", "pruned", "30.0")]
    log = (tmp_path / "0" / "output.log").read_text(encoding="utf-8")
    assert log.count("bundle  ") == 1
    metrics = json.loads((tmp_path / "0" / "metrics.json").read_text(encoding="utf-8"))
    # both processes' documents, each once an epoch; the last share may be larger by one
    seen = metrics["train/docs_per_s"] * metrics["train/seconds"]
    given = int(re.findall(r"documents: train (\d+)", log)[0])
    assert abs(seen - metrics["train/epochs"] * given) <= metrics["train/epochs"]
