"""The logs that a run goes on with: no step is lost, and none stands twice."""

import csv
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from docsort.core.errors import ConfigError, StorageError
from lightning_modules.csv_log import ContinuedCSVLogger
from lightning_modules.loggers import LoggerSettings, make_loggers
from tests.core.test_disk import files_at_most
from tests.lightning_modules.conftest import Break, Run

LAST = "checkpoints/last.ckpt"
# tag to the steps and values that it stands at
Curves = dict[str, list[tuple[int, float]]]


def test_a_row_that_a_power_cut_left_incomplete(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "metrics.csv"
    log.parent.mkdir()
    log.write_text("train/loss,step\n0.5,1\n0.4,2\n0.3,3\n0.25,\n0.2\n", encoding="utf-8")
    logger = ContinuedCSVLogger(tmp_path, from_step=3)
    logger.log_metrics({"train/loss": 0.35}, step=3)
    assert log.read_text(encoding="utf-8").split() == [
        "step,train/loss",
        "1,0.5",
        "2,0.4",
        "3,0.35",
    ]


def test_a_run_that_dies_while_it_writes_its_figures_again_loses_none(tmp_path: Path) -> None:
    """When it goes on, and when there is a new column."""
    log = tmp_path / "logs" / "metrics.csv"
    before = ContinuedCSVLogger(tmp_path, from_step=0)
    for step in range(5):
        before.log_metrics({"train/loss": 0.5}, step)
    rows = log.read_text(encoding="utf-8").split()
    with files_at_most(20), pytest.raises(StorageError, match=r"metrics\.csv"):
        ContinuedCSVLogger(tmp_path, from_step=4).log_metrics({"train/loss": 0.5}, step=4)
    assert log.read_text(encoding="utf-8").split() == rows
    with files_at_most(20), pytest.raises(StorageError, match=r"metrics\.csv"):
        before.log_metrics({"val/loss": 0.5}, step=5)
    before.finalize("failed")  # as Lightning does then: nothing under the wrong header
    assert log.read_text(encoding="utf-8").split() == rows
    assert list(log.parent.iterdir()) == [log]


def test_tensorboard(run: Run, broken: Break, tmp_path: Path) -> None:
    """Steps 20 to 29 are made twice; the second death leaves no event behind its checkpoint."""
    settings = {"logger": LoggerSettings("tensorboard"), "log_every_n_steps": 1}
    broken(5, "run", **settings)
    broken(30, "run", **settings)
    run("run", resume=tmp_path / "run" / LAST, **settings)
    events = EventAccumulator(str(tmp_path / "run" / "logs" / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    found = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}
    assert found.pop("results/test/accuracy") == [(40, 0.5)]
    assert_same_curves(found, csv_curves(tmp_path / "run"))
    (provenance,) = events.Tensors("provenance/text_summary")
    assert b"c0ffee" in provenance.tensor_proto.string_val[0]
    metadata = events.SummaryMetadata("_hparams_/session_start_info")
    assert b"model.window" in metadata.plugin_data.content


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An SQLite file for several tests: MLflow takes seconds to make its tables."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def test_mlflow(run: Run, broken: Break, store: str, tmp_path: Path) -> None:
    """Of steps 20 to 29, made twice, MLflow keeps the first; a run with no checkpoint is killed."""
    from mlflow import MlflowClient

    settings = {"logger": LoggerSettings("mlflow", store, "toy"), "log_every_n_steps": 1}
    broken(5, "run", **settings)
    broken(30, "run", **settings)
    client = MlflowClient(store)

    def states() -> list[str]:
        experiment = client.get_experiment_by_name("toy")
        assert experiment
        found = client.search_runs([experiment.experiment_id], order_by=["start_time"])
        return [each.info.status for each in found]

    assert states() == ["KILLED", "FAILED"]
    run("run", resume=tmp_path / "run" / LAST, **settings)
    assert states() == ["KILLED", "FINISHED"]
    run_id = (tmp_path / "run" / "logs" / "mlflow_run_id").read_text(encoding="utf-8").strip()
    data = client.get_run(run_id).data
    assert data.params == {"model.window": "16", "model.class_weights.C__": "2", "seed": "1"}
    assert data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert data.tags["docsort.data"] == '{"train:train.csv": "00"}'
    found = {
        name: [(each.step, each.value) for each in client.get_metric_history(run_id, name)]
        for name in data.metrics
    }
    assert found["results/test/accuracy"] == [(40, 0.5)]
    curves = {name: points for name, points in found.items() if not name.startswith("results/")}
    assert_same_curves(curves, csv_curves(tmp_path / "run"))


def test_mlflow_in_another_store(store: str, tmp_path: Path) -> None:
    """A folder that was handed on, with a store that doesn't have its run: another begins."""
    id_file = tmp_path / "run" / "logs" / "mlflow_run_id"
    id_file.parent.mkdir(parents=True)
    id_file.write_text("0" * 32, encoding="utf-8")
    settings = LoggerSettings("mlflow", store, "another")
    _, logger = make_loggers(settings, tmp_path / "run", from_step=3)
    logger.log_metrics({"train/loss": 0.5}, step=3)
    assert id_file.read_text(encoding="utf-8").strip() == logger.version


@pytest.mark.parametrize("from_step", [0, 3])
def test_mlflow_after_its_run_was_deleted(store: str, tmp_path: Path, from_step: int) -> None:
    from mlflow import MlflowClient

    settings = LoggerSettings("mlflow", store, "deleted")
    _, first = make_loggers(settings, tmp_path / "run", from_step=0)
    first.log_metrics({"train/loss": 0.5}, step=1)
    MlflowClient(store).delete_run(str(first.version))
    _, second = make_loggers(settings, tmp_path / "run", from_step)
    second.log_metrics({"train/loss": 0.5}, step=3)
    assert second.version != first.version


@pytest.mark.parametrize("back", [True, False])
def test_a_store_that_goes_away_while_a_run_trains(
    run: Run,
    store: str,
    back: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from mlflow import MlflowClient

    log_batch, tries = MlflowClient.log_batch, []
    comes_back = 40 if back else math.inf

    def goes_away(self: MlflowClient, run_id: str, metrics: Any = (), **others: Any) -> None:
        step = max((each.step for each in metrics), default=0)  # none with the settings
        tries.append(step)
        if 20 <= step < comes_back:
            patched.setattr(MlflowClient, "get_run", away)
            raise ConnectionError("no route to host\nsecond line")
        patched.setattr(MlflowClient, "get_run", get_run)
        log_batch(self, run_id, metrics, **others)

    def away(*_: object) -> None:
        raise ConnectionError("no route to host")

    get_run = MlflowClient.get_run
    settings = LoggerSettings("mlflow", store, "goes away")
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", goes_away)
        _, fitted = run("run", logger=settings, log_every_n_steps=1)
    said = capsys.readouterr().err
    assert said.count("warning: MLflow takes no figures from step 20 on") == 1
    assert "second line" not in said
    assert [step for step in tries if step >= 20] == [20, 40]  # the second with the results
    assert fitted.metrics["train/epochs"] == 2
    run_id = (tmp_path / "run" / "logs" / "mlflow_run_id").read_text(encoding="utf-8").strip()
    client = MlflowClient(store)
    steps = [each.step for each in client.get_metric_history(run_id, "train/loss")]
    assert steps == list(range(20))
    ended = {True: "FINISHED", False: "RUNNING"}  # nobody could be told
    assert client.get_run(run_id).info.status == ended[back]
    assert ("did not get the run's results" in said) is not back


def test_results_that_a_logger_does_not_get(
    run: Run, store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lightning_modules.mlflow_log import ContinuedMLFlowLogger

    def away(*_: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(ContinuedMLFlowLogger, "log_results", away)
    run("run", logger=LoggerSettings("mlflow", store, "away"))
    assert "warning: logger=mlflow did not get the run's results" in capsys.readouterr().err


@pytest.mark.parametrize("extra", ["tensorboard", "mlflow"])
def test_a_package_that_is_missing(
    extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LoggerSettings(extra, "sqlite:///mlflow.db", "toy")
    for name in [*sys.modules]:
        if name.partition(".")[0] == extra or name == f"lightning_modules.{extra}_log":
            monkeypatch.delitem(sys.modules, name)
    for name in ("torch.utils.tensorboard", extra):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"logger={extra} .*pip install 'docsort\[{extra}\]'"):
        make_loggers(settings, tmp_path, 0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LoggerSettings("wandb"), "logger.kind=wandb.*csv, tensorboard, mlflow"),
        (lambda: LoggerSettings("mlflow", "mlruns", "toy"), "logger.uri=mlruns.*sqlite:///"),
        (lambda: LoggerSettings("mlflow", "sqlite:///mlflow.db"), "logger.experiment=None"),
    ],
)
def test_refused(make: Callable[[], LoggerSettings], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:secret@host",
        "https://secret@host",
        "https://user:se#secret@host",
        "https://host/mlflow?token=secret",
        "sqlite:///mlflow.db?key=secret",
    ],
)
def test_a_secret_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_TOKEN") as refused:
        LoggerSettings("mlflow", uri, "toy")
    assert "secret" not in str(refused.value)


def test_a_store_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("no database, but long enough to be looked at as one " * 20, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"logger\.uri=sqlite:.*mlflow\.db.*not a database"):
        make_loggers(LoggerSettings("mlflow", f"sqlite:///{file}", "toy"), tmp_path, 0)


def csv_curves(folder: Path) -> Curves:
    found: Curves = {}
    with (folder / "logs" / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            for name, value in row.items():
                if value and name != "step":
                    found.setdefault(name, []).append((int(row["step"]), float(value)))
    assert len(found["train/loss"]) == 40
    return found


def assert_same_curves(found: Curves, expected: Curves) -> None:
    assert found.keys() == expected.keys()
    for name, points in expected.items():
        steps, values = zip(*points, strict=True)
        assert [step for step, _ in found[name]] == list(steps), name
        assert [value for _, value in found[name]] == pytest.approx(list(values)), name
