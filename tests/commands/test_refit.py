"""`docsort train` on few documents: the bundle has learned from the validation documents too."""

import json
import signal
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from docsort.commands.refit_choice import corpus_to_refit
from docsort.commands.run_inputs import RunInputs
from docsort.core.bundle import read_bundle
from docsort.core.linear import LinearModel
from docsort.data.baseline import LinearBaseline
from docsort.data.corpus import Corpus
from docsort.data.settings import DataSettings
from lightning_modules.callbacks import Speed
from lightning_modules.checkpoints import classifier_state, read_weights
from lightning_modules.settings import CascadeSettings, ModelSettings
from tests.commands.conftest import Docsort, Trained, toy_rows, write_csv
from tests.lightning_modules.conftest import LABELS, SETTINGS, make_corpus, split

CSV = DataSettings(source="table", name="toy", train="train.csv")


def inputs(corpus: Corpus, data: DataSettings = CSV, model: ModelSettings = SETTINGS) -> RunInputs:
    unused: Any = None
    return RunInputs(1, data, model, unused, unused, corpus, unused, None)


def test_few_documents_are_learned_from_once_more_with_val() -> None:
    corpus = make_corpus()  # 160 and 30
    whole = corpus_to_refit(inputs(corpus), 190, num_processes=1)
    assert whole is not None
    assert whole.train["text"][:] == [*corpus.train["text"], *corpus.val["text"]]
    assert whole.val is corpus.val


@pytest.mark.parametrize("why", ["many", "given", "per label", "processes", "cascade", "never"])
def test_the_first_run_stands_where(why: str) -> None:
    corpus, data, model = make_corpus(), CSV, SETTINGS
    up_to, num_processes = 190, 1
    match why:
        case "many":
            up_to = 189
        case "given":
            corpus = replace(corpus, given=frozenset({"val"}))
        case "per label":
            data = replace(CSV, train_per_label=5)
        case "processes":
            num_processes = 2
        case "cascade":
            model = replace(SETTINGS, cascade=CascadeSettings(max_extra_error=0.01))
        case "never":
            up_to = 0
    assert corpus_to_refit(inputs(corpus, data, model), up_to, num_processes) is None


def test_class_weights_are_those_of_all_documents(tiny_bert: Path) -> None:
    corpus = make_corpus()
    balanced = replace(SETTINGS, pretrained=str(tiny_bert), class_weights="balanced")
    whole = inputs(corpus, model=balanced).learning_from(corpus.with_val_in_train())
    counts = np.array([whole.corpus.train["label"][:].count(label) for label in LABELS])
    assert whole.class_weights is not None
    np.testing.assert_allclose(whole.class_weights, 190 / (3 * counts), rtol=1e-6)


def test_the_bundle_has_learned_from_all_documents(trained: Trained) -> None:
    metrics = json.loads((trained.run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["train/refit_documents"] == 160
    assert read_bundle(trained.bundle).provenance["metrics"] == metrics
    card = (trained.bundle / "README.md").read_text(encoding="utf-8")
    assert "160 training documents" in card
    assert "include those that the calibration was fitted on" in card
    assert "the first of two runs" in (trained.run / "report.html").read_text(encoding="utf-8")
    names = {file.name for file in (trained.run / "checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt"}  # a refit's are of no use any more


def test_the_linear_model_has_learned_from_all_documents(trained: Trained) -> None:
    """The one in the bundle, and the one that it is measured against."""
    texts, labels = ([str(row[name]) for row in toy_rows(160, 1)] for name in ("text", "label"))
    every = LinearBaseline.fit(texts, labels, LABELS, "single_label").exported()
    held_out = [str(row["text"]) for row in toy_rows(24, 3)]
    expected_DC = every.evidence(held_out, "single_label")
    served = LinearModel.load(trained.bundle / "linear.safetensors")
    torch.testing.assert_close(
        served.evidence(held_out, "single_label"), expected_DC, atol=1e-3, rtol=0
    )
    truth = [LABELS.index(str(row["label"])) for row in toy_rows(24, 3)]
    loss = F.nll_loss(expected_DC.double(), torch.tensor(truth))
    metrics = json.loads((trained.run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["baseline/test/loss"] == pytest.approx(float(loss), abs=1e-3)


@pytest.mark.parametrize("several", [False, True])
def test_all_that_validation_says_is_the_first_runs(
    docsort: Docsort, overrides: list[str], tmp_path: Path, several: bool
) -> None:
    """Calibration, thresholds and figures are those of a run without a second time."""
    for name, num, seed in (("train", 190, 1), ("test", 30, 3)):
        rows = [
            {"text": row["text"], "label": ";".join(row["label"]) if several else row["label"]}
            for row in split(num, seed, several)
        ]
        write_csv(tmp_path / f"{name}.csv", rows)
    files = (f"data.{name}={tmp_path / name}.csv" for name in ("train", "test"))
    command = ["train", "data=csv", *files, *overrides, "trainer.max_epochs=2"]
    command += ["data.label_separator=';'"] if several else []
    for run, up_to in (("once", 0), ("twice", 190)):
        status, _, err = docsort(
            *command, f"refit_up_to={up_to}", f"hydra.run.dir={tmp_path / run}"
        )
        assert status == 0, err
    once, twice = (read_bundle(tmp_path / run / "bundle") for run in ("once", "twice"))
    assert once.calibration == twice.calibration
    assert (once.calibration.thresholds is not None) == several
    one, other = (bundle.provenance["metrics"] for bundle in (once, twice))
    of_val = {name for name in one if "val/" in name}
    assert of_val
    assert {name: one[name] for name in of_val} == {name: other[name] for name in of_val}
    assert one["test/loss"] != other["test/loss"]
    assert one["baseline/test/loss"] != other["baseline/test/loss"]
    first, second = tmp_path / "once", tmp_path / "twice"
    assert same(bundle_weights(first), checkpoint(second, "best.ckpt"))
    assert not same(bundle_weights(first), bundle_weights(second))


@pytest.fixture
def learn(docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path) -> Docsort:
    """The run of ``trained`` again, in ``tmp_path``; further settings override its own."""

    def run(*settings: str) -> tuple[int, str, str]:
        own = ["data.name=toy", *overrides, "refit_up_to=1000", f"hydra.run.dir={tmp_path}"]
        return docsort("train", *trained.data, *own, *settings)

    return run


@pytest.fixture
def stop(learn: Docsort, monkeypatch: pytest.MonkeyPatch) -> Docsort:
    """The same, stopped by a signal in its second run."""

    def in_refit(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        if trainer.limit_val_batches == 0 and trainer.global_step == 5:
            signal.raise_signal(signal.SIGTERM)

    def run(*settings: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patched:
            patched.setattr(Speed, "on_train_batch_start", in_refit)
            status, out, err = learn(*settings)
        assert status == 143, err
        return status, out, err

    return run


@pytest.mark.parametrize("resume", ["auto", "null"])
def test_stopped_while_it_learns_again(
    stop: Docsort, learn: Docsort, trained: Trained, tmp_path: Path, resume: str
) -> None:
    """Gone on with, or begun anew, the run ends as one that was not stopped."""
    _, _, err = stop()
    assert f"hydra.run.dir={tmp_path} resume=auto" in " ".join(err.split())
    assert not (tmp_path / "bundle").exists()
    assert learn(f"resume={resume}")[0] == 0
    assert same(bundle_weights(tmp_path), bundle_weights(trained.run))


def test_a_stopped_one_can_be_left_out(
    stop: Docsort, learn: Docsort, trained: Trained, tmp_path: Path
) -> None:
    """As where it diverges or the memory ends: the first run isn't lost."""
    stop()
    status, _, err = learn("refit_up_to=0", "resume=auto")
    assert status == 0, err
    assert same(bundle_weights(tmp_path), checkpoint(trained.run, "best.ckpt"))
    names = {file.name for file in (tmp_path / "checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt"}


def test_mlflow_hears_how_the_second_ended(stop: Docsort, learn: Docsort, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    settings = ["logger=mlflow", f"logger.uri={store}", "trainer.max_epochs=1", "resume=auto"]

    def state() -> str:
        run_id = (tmp_path / "logs" / "mlflow_run_id").read_text(encoding="utf-8").strip()
        status: str = MlflowClient(store).get_run(run_id).info.status
        return status

    stop(*settings)
    assert state() == "FAILED"
    status, _, err = learn(*settings)
    assert status == 0, err
    assert state() == "FINISHED"


def test_the_first_trainer_takes_no_memory_then(
    learn: Docsort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do its module, gradients and optimizer."""
    trainers: list[weakref.ref[pl.Trainer]] = []
    alive: list[bool] = []

    def begin(self: Speed, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        alive.extend(earlier() is not None for earlier in trainers)
        trainers.append(weakref.ref(trainer))

    monkeypatch.setattr(Speed, "on_fit_start", begin)
    status, _, err = learn("trainer.max_epochs=1")
    assert status == 0, err
    assert alive == [False]


def test_in_a_process_group_of_one(learn: Docsort) -> None:
    """As of `trainer.strategy=ddp` on one device: neither run leaves it behind."""
    ddp = ["trainer.strategy=ddp", "trainer.devices=1", "trainer.max_epochs=1"]
    status, out, err = learn(*ddp)
    assert status == 0, err
    assert "once more, with val" in out
    assert not torch.distributed.is_initialized()


def bundle_weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "model.safetensors")


def checkpoint(run: Path, name: str) -> dict[str, torch.Tensor]:
    return classifier_state(read_weights(run / "checkpoints" / name))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
