"""A run made once more on all documents: for as long as the first, and to the same weights whenever
it is stopped. 190 documents in batches of 8 and two epochs: 48 steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from docsort.core.bundle import Manifest
from docsort.core.errors import ConfigError
from docsort.core.pretrained import load_pretrained
from lightning_modules.callbacks import Speed
from lightning_modules.checkpoints import read_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.fit import Fitted, RunSettings
from lightning_modules.head_start import HeadStart
from lightning_modules.refit import REFIT, refit
from tests.lightning_modules.conftest import LABELS, TRAINER, PowerCutError, make_corpus
from tests.lightning_modules.conftest import SETTINGS as MODEL

Again = Callable[..., DocumentClassification]


@pytest.fixture
def again(tiny_bert: Path, tmp_path: Path) -> Again:
    """The run once more, in a folder; keywords say what the first run was, and its manifest."""

    def train(
        folder: str,
        share: float = 1.0,
        is_random: bool = False,
        trainer: dict[str, Any] | None = None,
        **provenance: Any,
    ) -> DocumentClassification:
        torch.set_num_threads(1)
        pl.seed_everything(1, workers=True, verbose=False)
        pretrained = load_pretrained(str(tiny_bert))
        corpus = make_corpus().with_val_in_train()
        manifest = Manifest("single_label", LABELS, 16, 4, 4, provenance=provenance)
        module = DocumentClassification(pretrained, manifest, MODEL)
        plan = manifest.plan(pretrained.tokenizer)
        data = DocumentDataModule(corpus, pretrained.tokenizer, plan, batch_size=8, seed=1)
        first = Fitted(tmp_path / "best.ckpt", share, is_random, [], {})
        settings = RunSettings(1, checkpoint_minutes=0)
        metrics = refit(
            {**TRAINER, **(trainer or {})}, tmp_path / folder, settings, first, module, data
        )
        assert metrics["train/refit_documents"] == 190
        assert metrics["train/refit_seconds"] > 0
        return module

    return train


def weights(module: DocumentClassification) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def steps(folder: Path) -> int:
    return int(read_weights(folder / REFIT / "last.ckpt")["global_step"])


def cut_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    def cut(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == at:
            raise PowerCutError

    monkeypatch.setattr(Speed, "on_train_batch_start", cut)


@pytest.mark.parametrize(("share", "made"), [(1.0, 48), (0.5, 24), (0.7, 34), (0.001, 1)])
def test_it_makes_the_first_runs_share_of_the_steps(
    again: Again, tmp_path: Path, share: float, made: int
) -> None:
    """Between two epochs and within one."""
    again("whole", share)
    assert steps(tmp_path / "whole") == made


@pytest.mark.parametrize("share", [1.0, 0.7])
@pytest.mark.parametrize("at", [1, 24, 30])
def test_it_goes_on_to_the_same_weights(
    again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float, at: int
) -> None:
    whole = again("whole", share)
    with monkeypatch.context() as patched:
        cut_at(patched, at)
        with pytest.raises(PowerCutError):
            again("broken", share)
    assert steps(tmp_path / "broken") == at
    assert torch.equal(weights(whole), weights(again("broken", share)))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.7])
def test_one_that_had_ended_trains_no_further(again: Again, tmp_path: Path, share: float) -> None:
    ended = again("run", share)
    made = steps(tmp_path / "run")
    assert torch.equal(weights(ended), weights(again("run", share)))
    assert steps(tmp_path / "run") == made


def test_the_checkpoint_of_another_run_is_refused(again: Again) -> None:
    again("run", seed=1, config={"seed": 1})
    with pytest.raises(ConfigError, match="seed=1"):
        again("run", seed=2, config={"seed": 2})


def test_the_layer_begins_as_the_first_runs_did(
    again: Again, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its validation documents are trained on by now and could not tell."""
    begun: list[bool] = []
    monkeypatch.setattr("lightning_modules.head_start.fit_head", lambda *_: begun.append(True))
    again("random", 0.1, is_random=True)
    assert not begun
    again("fitted", 0.1, is_random=False)
    assert begun
    assert "classification layer" not in capsys.readouterr().out


def test_a_random_layer_has_its_rate(again: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def noted(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        rates.append(max(group["initial_lr"] for group in trainer.optimizers[0].param_groups))

    monkeypatch.setattr(Speed, "on_train_start", noted)
    again("random", 0.1, is_random=True)
    again("fitted", 0.1, is_random=False)
    assert rates == [pytest.approx(20 * MODEL.optimizer.lr), pytest.approx(MODEL.optimizer.lr)]


def test_one_that_diverges_says_what_to_give(again: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: HeadStart, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, DocumentClassification)
        torch.nn.init.constant_(module.classifier.head.weight, torch.nan)

    monkeypatch.setattr(HeadStart, "on_fit_start", spoil)
    with pytest.raises(ConfigError, match="refit_up_to=0"):
        again("run", 0.1)
