"""The classification layer begins at the frozen encoder's own solution."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from docsort.core.bundle import Manifest
from docsort.core.linear import LinearModel
from docsort.core.pretrained import load_pretrained
from docsort.data.baseline import LinearBaseline
from docsort.data.corpus import Corpus
from lightning_modules import head_start
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.head_start import HeadStart, fit_head, frozen_vectors
from lightning_modules.optimizer import make_optimizer, make_schedule
from lightning_modules.settings import OptimizerSettings
from lightning_modules.step_seeds import StepSeeds
from tests.lightning_modules.conftest import LABELS, SETTINGS, Break, Run, make_corpus

Made = tuple[DocumentClassification, DocumentDataModule]


@pytest.fixture
def made(tiny_bert: Path) -> Made:
    """A module that has not trained, and its data."""
    return make(tiny_bert)


def make(tiny_bert: Path, several: bool = False) -> Made:
    pretrained, corpus = load_pretrained(str(tiny_bert)), make_corpus(several)
    manifest = Manifest(corpus.task, LABELS, SETTINGS.window, SETTINGS.overlap, max_windows=4)
    plan = manifest.plan(pretrained.tokenizer)
    data = DocumentDataModule(corpus, pretrained.tokenizer, plan, batch_size=8, seed=1)
    data.setup("fit")
    return DocumentClassification(pretrained, manifest, SETTINGS), data


def test_it_is_scikit_learns_solution(made: Made) -> None:
    module, data = made
    frozen = frozen_vectors(module, data, "train")
    vectors_DH, targets = frozen.vectors_DH, frozen.targets
    fit_head(module, vectors_DH, targets)
    reference = LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit(vectors_DH, targets)
    given_DC = module.classifier.head(vectors_DH).softmax(-1).detach()
    np.testing.assert_allclose(given_DC, reference.predict_proba(vectors_DH), atol=2e-3)
    assert module.training


def test_of_several_labels_a_document_it_is_scikit_learns_of_each(tiny_bert: Path) -> None:
    module, data = make(tiny_bert, several=True)
    frozen = frozen_vectors(module, data, "train")
    vectors_DH, targets_DC = frozen.vectors_DH, frozen.targets
    fit_head(module, vectors_DH, targets_DC)
    reference = OneVsRestClassifier(LogisticRegression(C=1.0, max_iter=1000, tol=1e-8))
    reference.fit(vectors_DH, targets_DC)
    given_DC = module.classifier.head(vectors_DH).sigmoid().detach()
    np.testing.assert_allclose(given_DC, reference.predict_proba(vectors_DH), atol=2e-3)


def test_a_large_table_lends_a_part(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    module, data = made
    whole_DH = frozen_vectors(module, data, "train").vectors_DH
    monkeypatch.setattr(head_start, "MAX_DOCUMENTS", 50)
    some = frozen_vectors(module, data, "train")
    some_DH = some.vectors_DH
    assert (len(whole_DH), len(some_DH), len(some.targets)) == (160, 50, 50)
    assert len(set(some.positions.tolist())) == 50
    torch.testing.assert_close(some_DH, frozen_vectors(module, data, "train").vectors_DH)
    # each is one of the table's own, and none comes twice
    nearest = torch.cdist(some_DH, whole_DH).argmin(dim=1)
    assert len(set(nearest.tolist())) == 50


def words(corpus: Corpus) -> LinearModel:
    train = corpus.train
    return LinearBaseline.fit(train["text"], train["label"], LABELS, corpus.task).exported()


@pytest.mark.parametrize("several", [False, True])
def test_the_layer_stays_random_where_words_are_ahead(run: Run, several: bool) -> None:
    """The tiny encoder is random itself; the toy corpus is told apart by its words."""
    first = {}
    for linear in (None, words(make_corpus(several))):
        module, _ = run(folder=str(linear is None), several=several, linear=linear, max_steps=1)
        first[linear is None] = module.classifier.head.weight.abs().max().item()
    assert first[True] > 2 * first[False]


@pytest.mark.parametrize(
    ("head_lr", "is_random", "factor"), [(None, True, 20), (None, False, 1), (5e-3, True, 5)]
)
def test_a_random_layer_learns_faster_from_the_first_step_to_the_last_also_after_a_stop(
    run: Run,
    broken: Break,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    head_lr: float | None,
    is_random: bool,
    factor: float,
) -> None:
    ratios: list[float] = []

    def note(self: StepSeeds, trainer: pl.Trainer, *_: object) -> None:
        rates = {group["of_head"]: group["lr"] for group in trainer.optimizers[0].param_groups}
        ratios.append(rates[True] / rates[False])

    monkeypatch.setattr(StepSeeds, "on_train_batch_start", note)
    settings = replace(SETTINGS, optimizer=OptimizerSettings(lr=1e-3, head_lr=head_lr))
    given = {"linear": words(make_corpus()) if is_random else None, "settings": settings}
    broken(25, checkpoint_minutes=0, **given)
    last = tmp_path / "broken" / "checkpoints" / "last.ckpt"
    _, fitted = run("broken", resume=last, **given)
    assert ratios == pytest.approx([factor] * (26 + 15))
    assert fitted.metrics["train/random_layer"] == is_random


@pytest.mark.parametrize(("behind", "ahead"), [(0.3, True), (0.1, False), (-0.3, False)])
def test_ahead_means_by_two_standard_errors(
    made: Made, monkeypatch: pytest.MonkeyPatch, behind: float, ahead: bool
) -> None:
    """30 documents; the encoder's losses vary about the words' with a standard error of 0.1."""
    module, data = made
    noise_D = torch.tensor([1.0, -1.0] * 15) * 0.1 * 30**0.5
    losses = iter([behind + noise_D, torch.zeros(30)])
    monkeypatch.setattr(head_start, "refined_losses", lambda *_: next(losses))
    assert head_start.words_are_ahead(module, data, words(make_corpus())) is ahead


@pytest.mark.parametrize("fewer", [1, 2, 29])
def test_few_documents_decide_nothing(
    made: Made, monkeypatch: pytest.MonkeyPatch, fewer: int
) -> None:
    module, data = made
    losses = iter([torch.ones(fewer), torch.zeros(fewer)])
    monkeypatch.setattr(head_start, "refined_losses", lambda *_: next(losses))
    assert not head_start.words_are_ahead(module, data, words(make_corpus()))


def test_class_weights_are_not_compared_with_words(made: Made) -> None:
    """The linear model has none."""
    module, data = made
    random = module.classifier.head.weight.clone()
    start = HeadStart()
    start.linear = words(make_corpus())
    optimizer = make_optimizer(module.classifier.named_parameters(), SETTINGS.optimizer)
    schedule = make_schedule(optimizer, num_steps=10, warmup_share=0.1)
    trainer: Any = SimpleNamespace(
        optimizers=[optimizer],
        lr_scheduler_configs=[SimpleNamespace(scheduler=schedule)],
        datamodule=data,
        ckpt_path=None,
        is_global_zero=True,
        strategy=SimpleNamespace(broadcast=lambda tensor: tensor),
    )
    start.on_fit_start(trainer, module)
    torch.testing.assert_close(module.classifier.head.weight, random)
    module.class_weights = torch.tensor([1.0, 2.0, 3.0])
    start.on_fit_start(trainer, module)
    assert not torch.allclose(module.classifier.head.weight, random)


def test_words_and_vectors_are_of_the_same_documents(made: Made) -> None:
    _, data = made
    val = frozen_vectors(*made, "val")
    labels = make_corpus().val.select(val.positions)["label"]
    assert [LABELS[target] for target in val.targets.tolist()] == labels[:]
    assert data.texts("val", val.positions) == make_corpus().val.select(val.positions)["text"][:]
