"""Sweeps of real training runs: a list by joblib, and a search that is killed and goes on."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from docsort.commands.sweep import read_run, read_runs
from docsort.sweeps.study import DATABASE
from tests.commands.conftest import Docsort, Trained, toy_rows, write_csv


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("sweep") / "train.csv", toy_rows(120, 1))


def test_a_list_by_joblib(
    docsort: Docsort, documents: Path, overrides: list[str], tmp_path: Path
) -> None:
    """Folds of one setting, and one that can't run."""
    sweep = [
        *("train", "-m", "hydra/launcher=joblib", "data=csv", f"data.train={documents}"),
        *overrides,
        *("trainer.max_epochs=1", "data.num_folds=3", f"hydra.sweep.dir={tmp_path}"),
    ]
    status, out, err = docsort(*sweep, "data.fold=2,9")
    assert status == 2
    assert re.search(r"1 of 2 runs failed; run 1 failed: data\.fold=9 is not accepted", err)
    assert (tmp_path / "0" / "bundle" / "bundle.json").is_file()
    assert (tmp_path / "best").readlink() == Path("0")
    assert "data.train" not in out[out.rindex("run ┃") :]  # the same in all runs
    # a finished run is not run again, and another sweep may not have its folder
    before = (tmp_path / "0" / "output.log").read_text(encoding="utf-8")
    given = [[f"data.fold={fold}", "resume=auto"] for fold in (2, 9)]
    runs = read_runs(tmp_path, given)
    assert [run.state for run in runs] == ["complete", "failed"]
    assert [run.parameters for run in runs] == [{"data.fold": "2"}, {"data.fold": "9"}]
    status, _, err = docsort(*sweep, "data.fold=1,9")
    assert status == 2
    assert "holds another sweep, whose run 0 was given data=csv" in err
    # a shorter list is concluded without what the longer one left behind
    status, out, err = docsort(*sweep, "data.fold=2", "resume=auto")
    assert status == 0, err
    assert "failed" not in out
    assert (tmp_path / "0" / "output.log").read_text(encoding="utf-8") == before


def test_a_search_is_killed_and_goes_on(
    docsort: Docsort, documents: Path, overrides: list[str], tmp_path: Path
) -> None:
    """Of two learning rates one learns nothing, so that its trial, tried again, is pruned."""
    study = optuna.create_study(
        study_name="sweep", storage=f"sqlite:///{tmp_path / DATABASE}", direction="maximize"
    )
    for lr in (30.0, 1e-2):
        study.enqueue_trial({"model.optimizer.lr": lr})
    sweep = [
        *("train", "-m", "sweep=optuna", "data=csv", f"data.train={documents}", *overrides),
        *("trainer.max_epochs=3", "model.optimizer.lr=interval(1e-3,30)", "model.dropout=0.1"),
        *("model.optimizer.warmup_share=0.1", "model.label_smoothing=0.0", "seed=1"),
        *("hydra.sweeper.n_trials=2", "hydra.sweeper.n_startup_trials=1"),
        f"hydra.sweep.dir={tmp_path}",
    ]
    with subprocess.Popen([sys.executable, "-m", "docsort", *sweep]) as killed:
        while not (tmp_path / "0" / "output.log").is_file():
            assert killed.poll() is None
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)

    status, out, err = docsort(*sweep)
    assert status == 0, err
    assert re.findall(r"│ (\d) +│ (\S+) +│ (\S+)", out)[0] == ("0", "30.0", "interrupted")
    first, second = re.findall(r"^run (\d): (\S+) .*lr=(\S+)", out, flags=re.MULTILINE)
    assert first == ("1", "val/macro_f1", "0.01")
    assert second == ("2", "pruned", "30.0")
    assert (tmp_path / "best").readlink() == Path("1")
    assert (tmp_path / "1" / "bundle" / "bundle.json").is_file()
    assert not (tmp_path / "2" / "bundle").exists()
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert "1 stopped early as hopeless, 1 interrupted and tried again" in " ".join(page.split())


def test_a_finished_run_read_back(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "4").symlink_to(trained.run)
    run = read_run(tmp_path / "4", ["data.name=toy"])
    assert (run.number, run.state) == (4, "complete")
    assert run.parameters == {"data.name": "toy"}
    assert run.test is not None
    assert set(run.test) == {"test/accuracy", "test/macro_f1"}
