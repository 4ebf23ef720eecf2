"""The classification layer begins at the frozen encoder's own solution."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from docsort.core.bundle import Manifest
from docsort.core.pretrained import load_pretrained
from lightning_modules import head_start
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.head_start import fit_head, frozen_vectors
from tests.lightning_modules.conftest import LABELS, SETTINGS, make_corpus

Made = tuple[DocumentClassification, DocumentDataModule]


@pytest.fixture
def made(tiny_bert: Path) -> Made:
    """A module that has not trained, and its data."""
    pretrained, corpus = load_pretrained(str(tiny_bert)), make_corpus()
    manifest = Manifest(corpus.task, LABELS, SETTINGS.window, SETTINGS.overlap, max_windows=4)
    plan = manifest.plan(pretrained.tokenizer)
    data = DocumentDataModule(corpus, pretrained.tokenizer, plan, batch_size=8, seed=1)
    data.setup("fit")
    return DocumentClassification(pretrained, manifest, SETTINGS), data


def test_it_is_scikit_learns_solution(made: Made) -> None:
    module, data = made
    vectors_DH, targets = frozen_vectors(module, data)
    fit_head(module, vectors_DH, targets)
    reference = LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit(vectors_DH, targets)
    given_DC = module.classifier.head(vectors_DH).softmax(-1).detach()
    np.testing.assert_allclose(given_DC, reference.predict_proba(vectors_DH), atol=2e-3)
    assert module.training


def test_a_large_table_lends_a_part(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    module, data = made
    whole_DH, _ = frozen_vectors(module, data)
    monkeypatch.setattr(head_start, "MAX_DOCUMENTS", 50)
    some_DH, targets = frozen_vectors(module, data)
    assert (len(whole_DH), len(some_DH), len(targets)) == (160, 50, 50)
    again_DH, _ = frozen_vectors(module, data)
    torch.testing.assert_close(some_DH, again_DH)
    # each is one of the table's own, and none comes twice
    nearest = torch.cdist(some_DH, whole_DH).argmin(dim=1)
    assert len(set(nearest.tolist())) == 50
