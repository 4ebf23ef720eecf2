"""Points of the report's curves: precision against recall, accuracy against coverage and length.

Computes, draws nothing. Shapes: D documents, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from docsort.report.intervals import wilson
from docsort.report.metrics import Array, BoolArray, FloatArray

MAX_POINTS = 120  # a curve on a screen shows no more, and the page stays small


@dataclass(frozen=True)
class PrecisionRecall:
    """One label's curve, recall falling; average_precision in [0, 1]."""

    label: str
    recall: FloatArray
    precision: FloatArray
    average_precision: float


@dataclass(frozen=True)
class Coverage:
    """Accuracy of the surest documents against their share of all; scores fall along it."""

    share: FloatArray
    accuracy: FloatArray
    score: FloatArray

    def most_at(self, accuracy: float) -> "CoveragePoint | None":
        """The largest share decided with at least this accuracy; None when there is none."""
        enough = np.flatnonzero(self.accuracy >= accuracy)
        if not len(enough):
            return None
        last = enough[-1]
        return CoveragePoint(
            float(self.share[last]), float(self.accuracy[last]), float(self.score[last])
        )


@dataclass(frozen=True)
class CoveragePoint:
    """share of the documents has a confidence of at least score; accuracy is theirs."""

    share: float
    accuracy: float
    score: float


@dataclass(frozen=True)
class LengthBin:
    """Documents of low to high tokens, both included; low_95 and high_95 bound the accuracy."""

    low: int
    high: int
    documents: int
    accuracy: float
    low_95: float
    high_95: float


def precision_recall(
    truth_DC: BoolArray, probabilities: Array, labels: Sequence[str]
) -> tuple[PrecisionRecall, ...]:
    """One curve per label that occurs in the truth."""
    curves = []
    for index in np.flatnonzero(truth_DC.any(axis=0)).tolist():
        held, scores = truth_DC[:, index], probabilities[:, index]
        precision, recall, _ = precision_recall_curve(held, scores, drop_intermediate=True)
        kept = _spread(len(recall))
        average = float(average_precision_score(held, scores))
        curves.append(PrecisionRecall(labels[index], recall[kept], precision[kept], average))
    return tuple(curves)


def coverage(right: BoolArray, confidence: FloatArray) -> Coverage:
    """Accuracy when only documents at or over a score are decided, for every score that occurs."""
    order = np.argsort(-confidence, kind="stable")
    scores = confidence[order]
    share = np.arange(1, len(order) + 1) / len(order)
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Documents of one score are decided together or not at all.
    last_of_score = np.append(scores[1:] < scores[:-1], True)
    return Coverage(share[last_of_score], accuracy[last_of_score], scores[last_of_score])


def accuracy_by_length(right: BoolArray, tokens: Array, num_bins: int = 6) -> tuple[LengthBin, ...]:
    """Accuracy in bins of about equally many documents, with Wilson's 95 % interval."""
    # Upper edges, fewer where many documents are of one length.
    edges = np.unique(np.quantile(tokens, np.arange(1, num_bins + 1) / num_bins, method="lower"))
    bins = np.searchsorted(edges, tokens, side="left")
    return tuple(_length_bin(right[bins == b], tokens[bins == b]) for b in range(len(edges)))


def _length_bin(right: BoolArray, tokens: Array) -> LengthBin:
    interval = wilson(right)
    return LengthBin(
        int(tokens.min()),
        int(tokens.max()),
        len(right),
        float(right.mean()),
        interval.low,
        interval.high,
    )


def _spread(length: int) -> Array:
    """At most MAX_POINTS indices spread over 0..length-1, both ends among them."""
    return np.unique(np.linspace(0, length - 1, min(length, MAX_POINTS)).round().astype(np.int64))
