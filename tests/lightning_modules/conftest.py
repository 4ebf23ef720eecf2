"""A corpus that can be learned in seconds, and a run of the tiny BERT on it."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from datasets import Dataset

from docsort.core.bundle import Manifest
from docsort.core.linear import LinearModel
from docsort.core.pretrained import load_pretrained
from docsort.data.corpus import Corpus
from lightning_modules.callbacks import Speed
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.fit import Fitted, TrainingRun
from lightning_modules.loggers import LoggerSettings
from lightning_modules.refined_loss import Refined, RefinedLoss
from lightning_modules.run_settings import RunSettings
from lightning_modules.settings import ModelSettings, OptimizerSettings

LABELS = ("finance", "medicine", "sport")
TELLING = {
    "finance": ["market", "price", "bank", "share", "profit"],
    "medicine": ["gene", "virus", "patient", "drug", "trial"],
    "sport": ["team", "goal", "match", "player", "season"],
}
FILLING = ["the", "a", "of", "and", "in", "to", "is", "for"]
TRAINER = {"accelerator": "cpu", "devices": 1, "max_epochs": 2, "gradient_clip_val": 1.0}
SETTINGS = ModelSettings(
    pretrained="",
    sha256=None,
    license=None,
    window=16,
    overlap=4,
    max_windows=4,
    pooling="mean",
    dropout=0.1,
    attention_dropout=0.0,
    label_smoothing=0.0,
    optimizer=OptimizerSettings(lr=1e-2),
)


def split(num: int, seed: int, several: bool = False) -> Dataset:
    rng = random.Random(seed)
    texts, labels = [], []
    for _ in range(num):
        own = sorted(rng.sample(LABELS, rng.randint(1, 2) if several else 1))
        words = [w for label in own for w in rng.choices(TELLING[label], k=4)]
        words += rng.choices(FILLING, k=rng.randint(2, 20))
        rng.shuffle(words)
        texts.append(" ".join(words))
        labels.append(own if several else own[0])
    return Dataset.from_dict({"row": list(range(num)), "text": texts, "label": labels})


def make_corpus(several: bool = False) -> Corpus:
    return Corpus(
        train=split(160, 1, several),
        val=split(30, 2, several),
        test=split(30, 3, several),
        labels=LABELS,
        task="multi_label" if several else "single_label",
        name="toy",
        sources={},
    )


def losses_of_validations(
    monkeypatch: pytest.MonkeyPatch, losses: list[float], error: float = 0.0
) -> None:
    """Have the validations of a run without a sanity check find these losses."""
    given = (Refined(torch.tensor(loss), torch.tensor(error)) for loss in losses)
    monkeypatch.setattr(RefinedLoss, "compute", lambda _: next(given))


PROVENANCE = {
    "config": {"model": {"window": 16, "class_weights": {"C++": 2}}, "seed": 1},
    "data": {"train:train.csv": "00"},
    "git_commit": "c0ffee",
}
Run = Callable[..., tuple[DocumentClassification, Fitted]]
Break = Callable[..., None]


@pytest.fixture
def run(tiny_bert: Path, tmp_path: Path) -> Run:
    """Train the tiny BERT on the toy corpus; keywords override trainer settings."""

    def train(
        folder: str = "run",
        several: bool = False,
        seed: int = 1,
        resume: Path | None = None,
        checkpoint_minutes: float = 5,
        settings: ModelSettings = SETTINGS,
        logger: LoggerSettings | None = None,
        linear: LinearModel | None = None,
        **trainer: Any,
    ) -> tuple[DocumentClassification, Fitted]:
        torch.set_num_threads(1)
        corpus = make_corpus(several)
        pl.seed_everything(seed, workers=True, verbose=False)
        pretrained = load_pretrained(str(tiny_bert))
        manifest = Manifest(
            corpus.task,
            LABELS,
            settings.window,
            settings.overlap,
            settings.max_windows,
            provenance=PROVENANCE,
        )
        module = DocumentClassification(pretrained, manifest, settings)
        plan = manifest.plan(pretrained.tokenizer)
        data = DocumentDataModule(corpus, pretrained.tokenizer, plan, batch_size=8, seed=seed)
        run_settings = RunSettings(
            seed, checkpoint_minutes=checkpoint_minutes, logger=logger or LoggerSettings()
        )
        training = TrainingRun({**TRAINER, **trainer}, tmp_path / folder, run_settings, resume)
        fitted = training.fit(module, data, linear)
        training.log_results({"test/accuracy": 0.5, **fitted.metrics})
        return module, fitted

    return train


class PowerCutError(Exception):
    """Ends a run without any chance to save."""


@pytest.fixture
def broken(run: Run, monkeypatch: pytest.MonkeyPatch) -> Break:
    """Run until the start of batch ``at``, counted from 0 over all epochs: there the power goes."""

    def until(at: int, folder: str = "broken", **settings: Any) -> None:
        def cut(self: Speed, trainer: pl.Trainer, *_: object) -> None:
            if trainer.fit_loop.total_batch_idx == at:
                raise PowerCutError

        with monkeypatch.context() as patched:
            patched.setattr(Speed, "on_train_batch_start", cut)
            with pytest.raises(PowerCutError):
                run(folder, **settings)

    return until
