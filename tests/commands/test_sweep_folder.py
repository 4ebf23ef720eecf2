"""A sweep's folder: which runs of before still count, how a run is started, and which is the best.

Nothing is trained here.
"""

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from docsort.commands import plugins
from docsort.commands.hydra_verbs import config_options
from docsort.commands.sweep import conclude, read_run
from docsort.commands.sweep_inputs import SweepInputs
from docsort.core.errors import ConfigError
from docsort.report.sweep_results import Sweep, SweepRun
from tests.commands.conftest import Docsort, Trained, toy_rows, write_csv


@pytest.fixture
def finished(trained: Trained, tmp_path: Path) -> Path:
    """A finished run in a sweep's folder."""
    run = tmp_path / "sweep" / "0"
    shutil.copytree(trained.run, run)
    return run


@pytest.fixture
def config(finished: Path) -> dict[str, Any]:
    """What that run was made with."""
    provenance = json.loads((finished / "provenance.json").read_text(encoding="utf-8"))
    settings: dict[str, Any] = provenance["config"]
    return settings


def test_run_with_the_same_inputs_still_counts(
    finished: Path, config: dict[str, Any], trained: Trained, tmp_path: Path
) -> None:
    """Also where its table has moved, and where its precision was chosen by its machine."""
    config["data"]["train"] = str(shutil.copy(trained.train, tmp_path / "moved.csv"))
    config["trainer"]["precision"] = None
    SweepInputs().check_same(finished, config)
    SweepInputs().check_same(finished.with_name("1"), {})


@pytest.mark.parametrize("change", ["data", "weights", "setting"])
def test_run_with_other_inputs_is_refused(
    finished: Path, config: dict[str, Any], tmp_path: Path, change: str
) -> None:
    if change == "data":
        other = write_csv(tmp_path / "other.csv", toy_rows(160, 7))
        config["data"]["train"] = str(other)
        said = "trained on other data .*data.train=other.csv"
    elif change == "weights":
        model = shutil.copytree(config["model"]["pretrained"], tmp_path / "model")
        (weights,) = model.glob("*.safetensors")
        weights.write_bytes(weights.read_bytes() + b"0")
        config["model"]["pretrained"] = str(model)
        said = f"trained on other pretrained weights .*model.pretrained={model}"
    else:
        config["model"]["label_smoothing"] = 0.25
        said = r"trained with model\.label_smoothing=0"
    with pytest.raises(ConfigError, match=f"holds run 0 of this sweep, and it was {said}"):
        SweepInputs().check_same(finished, config)


def test_sweep_that_goes_on_over_another_table_is_refused(
    docsort: Docsort, finished: Path, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    table = Path(shutil.copy(trained.train, tmp_path / "train.csv"))
    given = ["data=csv", f"data.train={table}", f"data.test={trained.test}", "data.name=toy"]
    given += [*overrides[:-1], "refit_up_to=1000", "seed=1"]
    recorded = [each.replace("1e-2", "0.01") for each in given]  # as Hydra's sweeper writes it
    (finished / ".hydra" / "overrides.yaml").write_text(yaml.dump(recorded), encoding="utf-8")
    sweep = ["train", "-m", *given, f"hydra.sweep.dir={finished.parent}"]
    status, out, err = docsort(*sweep)
    assert status == 0, err
    assert "-> 0" in out
    write_csv(table, toy_rows(160, 7))
    status, out, err = docsort(*sweep)
    assert status == 2
    assert "holds run 0 of this sweep, and it was trained on other data" in err
    assert "sweep.html" not in out


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_prefixed_repetitions_are_repetitions(prefix: str) -> None:
    plugins.register()  # before the sweepers are imported, see there
    from docsort.commands.sweepers import ListSweeper

    parsed = OverridesParser.create().parse_overrides(["seed=7", f"{prefix}seed=1,2", "~a.b"])
    (batch,) = ListSweeper.split_arguments(parsed, None)
    assert batch == [[f"{prefix}seed={seed}", "~a.b"] for seed in (1, 2)]


def test_parameters_of_a_run_have_no_prefix(tmp_path: Path) -> None:
    run = read_run(tmp_path / "0", ["++seed=1", "+model.dropout=0.1"])
    assert run.parameters == {"seed": "1", "model.dropout": "0.1"}


def test_configuration_files_are_named_to_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["docsort train", "-m", "--config-dir", "mine", "seed=1,2"])
    assert config_options() == [f"--config-dir={tmp_path / 'mine'}"]
    monkeypatch.setattr(sys, "argv", ["docsort train", "-cn", "mine", "-m"])
    assert config_options() == ["--config-name=mine"]


def test_sweep_reads_a_folder_of_configuration_files(
    docsort: Docsort, overrides: list[str], tmp_path: Path
) -> None:
    """Its runs are refused by their own settings, which they have read, then."""
    (tmp_path / "experiment").mkdir()
    mine = "# @package _global_\ndata:\n  fold: 9\n  num_folds: 3\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(mine, encoding="utf-8")
    status, _, err = docsort(
        *("train", "-m", "--config-dir", tmp_path, "experiment=mine", *overrides),
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )
    assert status == 2
    assert "run 0 failed: data.fold=9 is not accepted" in err


@pytest.fixture
def sweep() -> Sweep:
    """Two finished runs, the second the better one."""
    runs = [SweepRun(number=n, state="complete", parameters={}, score=n / 2) for n in (0, 1)]
    return Sweep("toy", tuple(runs), {})


def test_best_is_a_link_to_the_run(tmp_path: Path, sweep: Sweep) -> None:
    (tmp_path / "best.txt").touch()  # of a conclusion that could make no link
    for _ in range(2):
        conclude(tmp_path, sweep)
        assert (tmp_path / "best").readlink() == Path("1")
    assert sorted(os.listdir(tmp_path)) == ["best", "sweep.html"]


@pytest.mark.parametrize("taken", ["folder", "file", "no links"])
def test_best_is_a_file_where_there_can_be_no_link(
    tmp_path: Path,
    sweep: Sweep,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    taken: str,
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if taken == "folder":
        (tmp_path / "best").mkdir()
    elif taken == "file":
        (tmp_path / "best").write_text("mine", encoding="utf-8")
    else:
        monkeypatch.setattr(Path, "symlink_to", refused)
    conclude(tmp_path, sweep)
    assert (tmp_path / "best.txt").read_text(encoding="utf-8") == "1\n"
    assert f"best    run 1, as {tmp_path / 'best.txt'} says" in capsys.readouterr().out
    assert not (tmp_path / "best").is_symlink()
