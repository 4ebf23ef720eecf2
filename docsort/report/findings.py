"""Everything the report says, measured from a run's results; draws nothing, writes nothing.

Shapes: D documents, C classes.
"""

from dataclasses import dataclass

import numpy as np

from docsort.core.probabilities import decisions
from docsort.report.calibration import Reliability, document_confidence, reliability
from docsort.report.curves import (
    Coverage,
    LengthBin,
    PrecisionRecall,
    accuracy_by_length,
    coverage,
    precision_recall,
)
from docsort.report.excerpts import excerpt_of
from docsort.report.intervals import Intervals, bootstrap
from docsort.report.metrics import (
    Array,
    BoolArray,
    ClassRow,
    FloatArray,
    IntArray,
    as_indicators,
    class_table,
    confusion,
    document_metrics,
)
from docsort.report.results import RunResults

MAX_MISTAKES = 12
MAX_CONFUSIONS = 8


@dataclass(frozen=True)
class Mistake:
    """A document answered wrongly; score is the confidence in what is wrong, in [0, 1]."""

    row: int | None
    excerpt: str
    true: tuple[str, ...]
    predicted: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Confusion:
    """Documents of one label given another; share is of the true label's documents."""

    true: str
    predicted: str
    documents: int
    share: float


@dataclass(frozen=True)
class Findings:
    """What was measured; None where the results had nothing to measure it from.

    matrix is int (C, C), see ``metrics.confusion``. without_leaked holds the metrics over the
    documents that don't stand in the training documents too.
    """

    metrics: dict[str, float]
    baseline_metrics: dict[str, float] | None
    without_leaked: dict[str, float] | None
    num_leaked: int
    intervals: Intervals
    classes: tuple[ClassRow, ...]
    baseline_classes: tuple[ClassRow, ...] | None
    matrix: IntArray
    confusions: tuple[Confusion, ...]
    precision_recall: tuple[PrecisionRecall, ...]
    served_reliability: Reliability
    raw_reliability: Reliability | None
    coverage: Coverage
    lengths: tuple[LengthBin, ...]
    num_read_in_part: int | None
    mistakes: tuple[Mistake, ...]
    num_mistakes: int

    @property
    def behind_baseline(self) -> bool:
        """Whether accuracy or macro F1 lies under the baseline's, by however little."""
        if self.baseline_metrics is None:
            return False
        names = ("accuracy", "macro_f1")
        return any(self.metrics[name] < self.baseline_metrics[name] for name in names)


def measure(results: RunResults) -> Findings:
    """All findings of one run."""
    task, labels, truth = results.task, results.labels, results.truth
    predicted = decisions(results.probabilities, task, results.thresholds)
    right = _right(truth, predicted)
    confidence = document_confidence(results.probabilities, task, results.thresholds)
    baseline = _baseline_predicted(results)
    matrix = confusion(truth, predicted, len(labels), task)
    truth_DC = as_indicators(truth, len(labels), task)
    return Findings(
        metrics=document_metrics(truth, results.probabilities, task, results.thresholds),
        baseline_metrics=_baseline_metrics(results),
        without_leaked=_without_leaked(results),
        num_leaked=0 if results.leaked is None else int(np.sum(results.leaked)),
        intervals=bootstrap(truth, predicted, baseline, len(labels), task),
        classes=class_table(truth, predicted, labels, task),
        baseline_classes=None if baseline is None else class_table(truth, baseline, labels, task),
        matrix=matrix,
        confusions=_largest_confusions(matrix, truth_DC.sum(axis=0), labels),
        precision_recall=precision_recall(truth_DC, results.probabilities, labels),
        served_reliability=reliability(truth, results.probabilities, task),
        raw_reliability=_raw_reliability(results),
        coverage=coverage(right, confidence),
        lengths=() if results.tokens is None else accuracy_by_length(right, results.tokens),
        num_read_in_part=_num_read_in_part(results),
        mistakes=_mistakes(results, predicted),
        num_mistakes=int((~right).sum()),
    )


def _right(truth: Array, predicted: Array) -> BoolArray:
    equal = np.asarray(truth) == np.asarray(predicted)
    return np.asarray(equal if equal.ndim == 1 else equal.all(axis=1))


def _baseline_predicted(results: RunResults) -> Array | None:
    if results.baseline_probabilities is None:
        return None
    return decisions(results.baseline_probabilities, results.task, results.baseline_thresholds)


def _baseline_metrics(results: RunResults) -> dict[str, float] | None:
    if results.baseline_probabilities is None:
        return None
    return document_metrics(
        results.truth, results.baseline_probabilities, results.task, results.baseline_thresholds
    )


def _without_leaked(results: RunResults) -> dict[str, float] | None:
    if results.leaked is None or not np.any(results.leaked) or np.all(results.leaked):
        return None
    kept = ~np.asarray(results.leaked, dtype=np.bool_)
    return document_metrics(
        results.truth[kept], results.probabilities[kept], results.task, results.thresholds
    )


def _raw_reliability(results: RunResults) -> Reliability | None:
    if results.uncalibrated_probabilities is None:
        return None
    return reliability(results.truth, results.uncalibrated_probabilities, results.task)


def _num_read_in_part(results: RunResults) -> int | None:
    if results.tokens is None or results.tokens_read is None:
        return None
    return int(np.sum(results.tokens_read < results.tokens))


def _largest_confusions(
    matrix: IntArray, support: Array, labels: tuple[str, ...]
) -> tuple[Confusion, ...]:
    """The cells off the diagonal that hold most documents."""
    off_diagonal = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off_diagonal, axis=None, kind="stable")[:MAX_CONFUSIONS]
    found = []
    for true, predicted in zip(*np.unravel_index(order, matrix.shape), strict=True):
        count = int(off_diagonal[true, predicted])
        if count:
            share = count / int(support[true])
            found.append(Confusion(labels[true], labels[predicted], count, share))
    return tuple(found)


def _mistakes(results: RunResults, predicted: Array) -> tuple[Mistake, ...]:
    """The wrongly answered documents with the most confidence in what is wrong."""
    truth_DC = as_indicators(results.truth, len(results.labels), results.task)
    predicted_DC = as_indicators(predicted, len(results.labels), results.task)
    wrongness = _wrongness(results, truth_DC, predicted_DC)
    order = np.argsort(-wrongness, kind="stable")[:MAX_MISTAKES].tolist()
    return tuple(
        Mistake(
            row=None if results.rows is None else int(results.rows[d]),
            excerpt=excerpt_of(results.texts[d]),
            true=_names(truth_DC[d], results.labels),
            predicted=_names(predicted_DC[d], results.labels),
            score=float(wrongness[d]),
        )
        for d in order
        if wrongness[d] >= 0
    )


def _wrongness(results: RunResults, truth_DC: BoolArray, predicted_DC: BoolArray) -> FloatArray:
    """Per document the confidence in its worst wrong decision; -1 where there is none."""
    scores_DC = np.asarray(results.probabilities, dtype=np.float64)
    wrong_DC = predicted_DC & ~truth_DC
    wrongness_DC = np.where(wrong_DC, scores_DC, -1.0)
    if results.task == "multi_label":
        wrongness_DC = np.where(truth_DC & ~predicted_DC, 1 - scores_DC, wrongness_DC)
    return np.asarray(wrongness_DC.max(axis=1))


def _names(held: BoolArray, labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(labels[c] for c in np.flatnonzero(held))
