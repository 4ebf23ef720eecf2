"""Numbers from truth and probabilities, computed by scikit-learn; knows nothing of charts or pages.

Shapes: D documents, C classes. Single-label truth is int (D,), class indices; multi-label truth is
bool (D, C).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from docsort.core.probabilities import Task, decisions

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ClassRow:
    """One label's figures; support and predicted count documents, the others lie in [0, 1]."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def document_metrics(
    truth: Array, probabilities: Array, task: Task, thresholds: Sequence[float] | None = None
) -> dict[str, float]:
    """A run's headline figures over its documents.

    Macro F1 is the plain mean over the labels that occur in the truth or the predictions
    (scikit-learn's own default). Multi-label accuracy is exact-match accuracy, also given as
    subset_accuracy; multi-label loss is the mean binary cross entropy per document and label.
    samples_f1 is the mean F1 over the documents. Of a document that rightly has no label it is 1.
    Raises ValueError when shapes or ranges don't fit together.
    """
    truth, probabilities = checked(truth, probabilities, task)
    predicted = decisions(probabilities, task, thresholds)
    metrics = {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": macro_f1(truth, predicted, task),
        "weighted_f1": float(f1_score(truth, predicted, average="weighted", zero_division=0)),
        "loss": _loss(truth, probabilities, task),
    }
    if task == "multi_label":
        metrics["subset_accuracy"] = metrics["accuracy"]
        metrics["micro_f1"] = float(f1_score(truth, predicted, average="micro", zero_division=0))
        metrics["samples_f1"] = float(
            # divides by zero only where truth and prediction are both empty, which is right
            f1_score(truth, predicted, average="samples", zero_division=1)
        )
        metrics["mean_average_precision"] = _mean_average_precision(truth, probabilities)
    return metrics


def checked(truth: Array, probabilities: Array, task: Task) -> tuple[Array, FloatArray]:
    """Truth and probabilities as one dtype each; raises ValueError when they don't fit."""
    if task not in get_args(Task):
        raise ValueError(f"task is {task!r}; accepted: {', '.join(get_args(Task))}")
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(truth)
    if scores.ndim != 2 or not scores.size or scores.shape[1] < 2:
        raise ValueError(
            f"probabilities have shape {scores.shape}; needed: (documents, labels), labels >= 2"
        )
    wanted = scores.shape if task == "multi_label" else scores.shape[:1]
    if truth.shape != wanted:
        raise ValueError(f"{task} truth has shape {truth.shape}; needed: {wanted}")
    # Written so that NaN fails too.
    if not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError("probabilities must lie between 0 and 1")
    if task == "multi_label":
        return truth.astype(np.bool_), scores
    if not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(f"single_label truth has dtype {truth.dtype}; needed: class indices")
    if truth.min() < 0 or truth.max() >= scores.shape[1]:
        raise ValueError(f"truth holds a class index outside 0..{scores.shape[1] - 1}")
    sums = scores.sum(axis=1)
    if np.abs(sums - 1).max() > 1e-3:
        raise ValueError("each document's single_label probabilities must sum to 1")
    # float32 rows miss 1 by 1e-7, which scikit-learn's log_loss would warn about.
    return truth.astype(np.int64), scores / sums[:, None]


def macro_f1(truth: Array, predicted: Array, task: Task) -> float:
    """Mean F1 over the labels that occur in truth or predictions; 0 when none does."""
    if task == "single_label":
        return float(f1_score(truth, predicted, average="macro", zero_division=0))
    occurring = np.flatnonzero(truth.any(axis=0) | predicted.any(axis=0))
    if not len(occurring):
        return 0.0
    each = f1_score(truth, predicted, average=None, zero_division=0)
    return float(np.atleast_1d(each)[occurring].mean())


def class_table(
    truth: Array, predicted: Array, labels: Sequence[str], task: Task
) -> tuple[ClassRow, ...]:
    """Every label's precision, recall, F1, support; 0 where a figure is undefined."""
    truth_DC = as_indicators(truth, len(labels), task)
    predicted_DC = as_indicators(predicted, len(labels), task)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth_DC, predicted_DC, labels=range(len(labels)), average=None, zero_division=0
    )
    columns = (precision, recall, f1, support, predicted_DC.sum(axis=0))
    each_label = zip(labels, *(column.tolist() for column in columns), strict=True)
    return tuple(ClassRow(*row) for row in each_label)


def confusion(truth: Array, predicted: Array, num_labels: int, task: Task) -> IntArray:
    """Documents by true (row) and predicted (column) label, int (C, C).

    Multi-label documents have no single pair. There the diagonal counts labels rightly given, and
    cell (i, j) counts documents where label i was missed while label j was wrongly given.
    """
    if task == "single_label":
        matrix: IntArray = confusion_matrix(truth, predicted, labels=range(num_labels))
        return matrix
    missed = (truth & ~predicted).astype(np.int64)
    wrong = (predicted & ~truth).astype(np.int64)
    return missed.T @ wrong + np.diag((truth & predicted).sum(axis=0))


def as_indicators(labels_given: Array, num_labels: int, task: Task) -> BoolArray:
    """bool (D, C) from either task's form of truth or predictions."""
    if task == "multi_label":
        return np.asarray(labels_given, dtype=np.bool_)
    indicators: BoolArray = np.asarray(labels_given)[:, None] == np.arange(num_labels)
    return indicators


def _loss(truth: Array, probabilities: FloatArray, task: Task) -> float:
    if task == "multi_label":
        return float(log_loss(truth.ravel(), probabilities.ravel(), labels=[False, True]))
    return float(log_loss(truth, probabilities, labels=range(probabilities.shape[1])))


def _mean_average_precision(truth: Array, probabilities: FloatArray) -> float:
    """Mean over the labels that occur in the truth: scikit-learn warns about the others."""
    occurring = truth.any(axis=0)
    if not occurring.any():
        return 0.0
    return float(
        average_precision_score(truth[:, occurring], probabilities[:, occurring], average="macro")
    )
