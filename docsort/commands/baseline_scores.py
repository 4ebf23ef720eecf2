"""The linear baseline on a corpus's own splits, so that every figure has one to stand beside."""

from dataclasses import dataclass

import numpy as np

from docsort.core.linear import LinearModel
from docsort.data.baseline import LinearBaseline
from docsort.data.corpus import Corpus
from docsort.data.targets import as_targets
from docsort.report.calibration import tune_thresholds
from docsort.report.metrics import document_metrics


@dataclass(frozen=True)
class BaselineScores:
    """Its probabilities (D, C) of the test documents, its thresholds, flat metrics, and itself."""

    test_probabilities: np.ndarray
    thresholds: tuple[float, ...] | None
    metrics: dict[str, float]
    model: LinearModel


def measure_baseline(corpus: Corpus, thresholds: tuple[float, ...] | None = None) -> BaselineScores:
    """Fit on train, tune thresholds on val (several labels a document), measure on test.

    ``thresholds``: tuned before, where val is in train by now.
    """
    model = LinearBaseline.fit(
        corpus.train["text"], corpus.train["label"], corpus.labels, corpus.task
    )
    if corpus.task == "multi_label" and thresholds is None:
        val_truth = as_targets(corpus.val["label"], corpus.labels, corpus.task)
        thresholds = tune_thresholds(model.probabilities(corpus.val["text"]), val_truth)
    probabilities_DC = model.probabilities(corpus.test["text"])
    truth = as_targets(corpus.test["label"], corpus.labels, corpus.task)
    figures = document_metrics(truth, probabilities_DC, corpus.task, thresholds)
    metrics = {f"baseline/test/{name}": value for name, value in figures.items()}
    return BaselineScores(probabilities_DC, thresholds, metrics, model.exported())
