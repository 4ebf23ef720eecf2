"""Made-up runs: seeded scores whose strength over the baseline a test chooses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from docsort.report.findings import measure
from docsort.report.model_card import BaseModel, model_card
from docsort.report.page import render_report
from docsort.report.results import LearningPoint, RunResults

MakeRun = Callable[..., RunResults]

LEARNING = (
    LearningPoint(0.5, 5, train_loss=1.5),
    LearningPoint(1, 10, train_loss=0.9, val_loss=1.0, val_macro_f1=0.5),
    LearningPoint(2, 20, train_loss=0.4, val_loss=0.6, val_macro_f1=0.8),
    LearningPoint(3, 30, train_loss=0.2, val_loss=0.62, val_macro_f1=0.79),
)


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    """A single-label run of 4 labels and 300 documents; keywords replace its fields."""

    def make(num_labels: int = 4, ahead: bool = True, **fields: Any) -> RunResults:
        rng = np.random.default_rng(0)
        truth = rng.integers(0, num_labels, 300)
        strong, weak = (_logits(rng, truth, num_labels, strength) for strength in (4.0, 2.0))
        if not ahead:
            strong, weak = weak, strong
        tokens = rng.integers(3, 500, 300)
        defaults: dict[str, Any] = {
            "title": "a run",
            "task": "single_label",
            "labels": tuple(f"label {c}" for c in range(num_labels)),
            "truth": truth,
            "probabilities": softmax(strong, axis=1),
            "uncalibrated_probabilities": softmax(2 * strong, axis=1),
            "temperature": 2.0,
            "texts": [f"text of document {d}" for d in range(300)],
            "baseline_probabilities": softmax(weak, axis=1),
            "tokens": tokens,
            "tokens_read": np.minimum(tokens, 480),
            "rows": np.arange(300) * 2,
            "train_counts": (100,) * num_labels,
            "learning": LEARNING,
            "config": {"seed": 1, "model": {"window": 256}},
            "provenance": {"commit": "abc123", "data": {"train": "f" * 64}},
        }
        return RunResults(**(defaults | fields))

    return make


@pytest.fixture(scope="session")
def make_multi_label_run(make_run: MakeRun) -> MakeRun:
    """The same with several labels a document, thresholds 0.4."""

    def make(**fields: Any) -> RunResults:
        rng = np.random.default_rng(1)
        truth = rng.random((300, 4)) < 0.3
        noise = rng.normal(0, 1, (300, 4))
        defaults: dict[str, Any] = {
            "task": "multi_label",
            "truth": truth,
            "probabilities": expit(4 * truth - 2 + noise),
            "uncalibrated_probabilities": expit(2 * (4 * truth - 2 + noise)),
            "baseline_probabilities": expit(2 * truth - 1 + noise),
            "thresholds": (0.4,) * 4,
        }
        return make_run(**(defaults | fields))

    return make


def _logits(
    rng: np.random.Generator, truth: np.ndarray, num_labels: int, strength: float
) -> np.ndarray:
    logits = rng.normal(0, 1, (len(truth), num_labels))
    logits[np.arange(len(truth)), truth] += strength
    return logits


def page_of(run: RunResults) -> str:
    """A run's report, measured here."""
    return render_report(run, measure(run))


def card_of(run: RunResults, base_model: BaseModel) -> str:
    """A run's model card, measured here."""
    return model_card(run, measure(run), base_model)
