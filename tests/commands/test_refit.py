"""`docsort train` on few documents: the bundle has learned from the validation documents too."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file

from docsort.commands.refit_choice import corpus_to_refit
from docsort.commands.run_inputs import RunInputs
from docsort.core.bundle import read_bundle
from docsort.data.corpus import Corpus
from docsort.data.settings import DataSettings
from lightning_modules.callbacks import Speed
from lightning_modules.checkpoints import classifier_state, read_weights
from lightning_modules.settings import CascadeSettings, ModelSettings
from tests.commands.conftest import Docsort, Trained
from tests.lightning_modules.conftest import SETTINGS, make_corpus

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


def test_the_bundle_has_learned_from_all_documents(trained: Trained) -> None:
    metrics = json.loads((trained.run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["train/refit_documents"] == 160
    assert metrics["train/refit_seconds"] > 0
    assert read_bundle(trained.bundle).provenance["metrics"] == metrics
    report = (trained.run / "report.html").read_text(encoding="utf-8")
    assert "160 documents, val among them" in report
    assert "160 training documents" in (trained.bundle / "README.md").read_text(encoding="utf-8")


def test_the_bundle_holds_the_last_weights(trained: Trained) -> None:
    assert same(bundle_weights(trained.run), checkpoint(trained.run, "refit/last.ckpt"))
    assert not same(bundle_weights(trained.run), checkpoint(trained.run, "best.ckpt"))


@pytest.mark.parametrize("resume", ["auto", "null"])
def test_stopped_while_it_learns_again(
    docsort: Docsort,
    trained: Trained,
    overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    resume: str,
) -> None:
    """Gone on with, or begun anew, the run ends as one that was not stopped."""
    data = ["data=csv", f"data.train={trained.train}", f"data.test={trained.test}"]
    command = ["train", *data, "data.name=toy", *overrides, "refit_up_to=1000"]

    def stop(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        if trainer.limit_val_batches == 0 and trainer.global_step == 5:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Speed, "on_train_batch_start", stop)
        status, _, err = docsort(*command, f"hydra.run.dir={tmp_path}")
    assert status == 143
    assert f"hydra.run.dir={tmp_path} resume=auto" in " ".join(err.split())
    assert not (tmp_path / "bundle").exists()
    status, _, _ = docsort(*command, f"hydra.run.dir={tmp_path}", f"resume={resume}")
    assert status == 0
    assert same(bundle_weights(tmp_path), bundle_weights(trained.run))


def bundle_weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "bundle" / "model.safetensors")


def checkpoint(run: Path, name: str) -> dict[str, torch.Tensor]:
    return classifier_state(read_weights(run / "checkpoints" / name))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
