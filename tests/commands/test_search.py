"""A search from its command line to its page; small scripts stand in for the training runs."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from docsort.commands.launchers import ProcessLauncher
from docsort.sweeps.jobs import Job
from tests.commands.conftest import Docsort

# takes `docsort train`'s overrides; every run is worse than the one before, and run 1 dies
SCRIPT = """
import json, pathlib, sys
from docsort.sweeps.trial import PRUNED, RunningTrial, TrialAddress
given = dict(each.partition("=")[::2] for each in sys.argv[1:])
folder = pathlib.Path(given["hydra.run.dir"].strip("'"))
(folder / "checkpoints").mkdir()
if folder.name == "1" or given["model"] == "bert_base":
    sys.exit("out of memory")
score = 0.9 - int(folder.name) / 10
running = RunningTrial(TrialAddress.of_this_process())
for validation in (1, 2):
    if running.is_hopeless(validation, score):
        sys.exit(PRUNED)
figures = {"val/macro_f1": score, "test/accuracy": score / 2, "train/seconds": 1.5}
(folder / "metrics.json").write_text(json.dumps(figures))
"""
SEARCH = (
    *("train", "-m", "sweep=optuna", "model=minilm", "model.dropout=interval(0.1, 0.9)"),
    *("model.optimizer.lr=1e-4", "model.optimizer.warmup_share=0.1", "model.label_smoothing=0"),
    *("data.batch_size=8", "trainer.max_epochs=2", "hydra.sweeper.n_startup_trials=2"),
)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs SCRIPT where `docsort train` would run."""
    given = ProcessLauncher.job

    def job(
        self: ProcessLauncher,
        number: int,
        overrides: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> Job:
        made = given(self, number, overrides, environment)
        assert made.command[1:5] == ("-P", "-m", "docsort", "train")
        return replace(made, command=(sys.executable, "-c", SCRIPT, *made.command[5:]))

    monkeypatch.setattr(ProcessLauncher, "job", job)


@pytest.mark.usefixtures("scripted")
def test_ends_with_table_page_and_best(docsort: Docsort, tmp_path: Path) -> None:
    sweep = [*SEARCH, f"hydra.sweep.dir={tmp_path}"]
    status, out, err = docsort(*sweep, "hydra.sweeper.n_trials=4")
    assert status == 0, err
    assert f"hydra.sweep.dir={tmp_path}" in out.splitlines()[1]
    # one dead trial ends nothing, and the last was below the median of two
    assert re.findall(r"^run (\d): (\S+)", out, flags=re.MULTILINE) == [
        ("0", "val/macro_f1"),
        ("1", "failed:"),
        ("2", "val/macro_f1"),
        ("3", "pruned"),
    ]
    assert "out of memory" in out
    assert re.findall(r"│ (\d) +│ 0\.\d+ +│ (\S+)", out) == [
        ("0", "0.9000"),
        ("1", "failed"),
        ("2", "0.7000"),
        ("3", "pruned"),
    ]
    assert (tmp_path / "best").readlink() == Path("0")
    # test figures of the chosen alone are shown, and its checkpoints alone are kept
    assert re.findall(r"test/\S+ of the chosen: (\S+)", out) == ["0.4500"]
    assert [path.parent.name for path in tmp_path.glob("[0-9]/checkpoints")] == ["0"]
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert page.count('<td class="sticky">') == 4
    assert "What matters" in page

    # the same command has nothing left to do; with more trials it goes on from there
    status, again, _ = docsort(*sweep, "hydra.sweeper.n_trials=4")
    assert status == 0
    assert "\nrun " not in again
    _, more, _ = docsort(*sweep, "hydra.sweeper.n_trials=5")
    assert re.findall(r"^run (\d+)", more, flags=re.MULTILINE) == ["4"]


@pytest.mark.usefixtures("scripted")
def test_interrupted_trials_keep_no_checkpoints(docsort: Docsort, tmp_path: Path) -> None:
    sweep = [*SEARCH, f"hydra.sweep.dir={tmp_path}"]
    docsort(*sweep, "hydra.sweeper.n_trials=1")
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path / 'study.db'}")
    lost = study.ask(study.trials[0].distributions)  # as if the sweep had been killed now
    (tmp_path / str(lost.number) / "checkpoints").mkdir(parents=True)
    status, _, err = docsort(*sweep, "hydra.sweeper.n_trials=2")
    assert status == 0, err
    assert [path.parent.name for path in tmp_path.glob("[0-9]/checkpoints")] == ["0"]
    assert (tmp_path / "2").exists()


@pytest.mark.parametrize("user", ["ann:hidden words", "ann"])
def test_a_databases_password_is_not_written(docsort: Docsort, tmp_path: Path, user: str) -> None:
    """By hydra.sweeper.storage the search itself connects, here in vain."""
    url = f"nodatabase://{user}@localhost/studies?sslmode=require&password=hidden too"
    status, _, err = docsort(
        *SEARCH, f"hydra.sweep.dir={tmp_path}", f"hydra.sweeper.storage='{url}'"
    )
    assert status == 2
    assert "hydra.sweeper.storage" in err
    assert "hidden" not in err
    written = (tmp_path / "multirun.yaml").read_text(encoding="utf-8")
    assert "hidden" not in written
    shown = user.replace("hidden words", "***")
    assert written.count(f"nodatabase://{shown}@localhost/studies?sslmode=require") == 2


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("model.no_such_key=interval(0, 1)", "no_such_key"),
        ("model=minilm,no_such_model", "no_such_model"),
        ("seed=1,2", "luckiest seed"),
        ("hydra.sweeper.n_trials=none", "n_trials=none"),
        ("hydra.sweeper.no_such_key=1", "no_such_key"),
        ("++seed=1,2", "luckiest seed"),
        ("hydra.sweep.subdir=mine", r"hydra\.sweep\.subdir=mine is not accepted"),
        ("hydra/launcher=basic", "one_by_one, joblib or ray"),
        ("model=bert_base", "first 3 trials of the sweep have all failed.*out of memory"),
    ],
)
def test_refused_with_a_clear_error(
    docsort: Docsort, tmp_path: Path, change: str, said: str
) -> None:
    status, _, err = docsort(*SEARCH, f"hydra.sweep.dir={tmp_path}", change)
    assert status == 2
    assert "Traceback" not in err
    assert re.search(said, err), err


@pytest.mark.usefixtures("scripted")
def test_search_over_other_inputs_is_refused(docsort: Docsort, tmp_path: Path) -> None:
    sweep = [*SEARCH, f"hydra.sweep.dir={tmp_path}"]
    docsort(*sweep, "hydra.sweeper.n_trials=1")
    provenance = {"config": {"seed": 7, "trainer": {}}, "data": {}}
    (tmp_path / "0" / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    status, out, err = docsort(*sweep, "hydra.sweeper.n_trials=2")
    assert status == 2
    assert re.search("holds run 0 of this sweep, and it was trained with .*seed=7", err), err
    assert "run 1" not in out


def test_two_sweeps_in_one_folder(docsort: Docsort, tmp_path: Path) -> None:
    from docsort.commands.sweepers import sole_sweep

    with sole_sweep(tmp_path):
        status, _, err = docsort(*SEARCH, f"hydra.sweep.dir={tmp_path}")
    assert status == 2
    assert "another sweep writes there" in err
