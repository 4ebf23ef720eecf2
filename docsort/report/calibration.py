"""Whether probabilities can be taken at their word: temperature, thresholds, calibration error.

Shapes: D documents, C classes. Fitting belongs on validation documents, measuring on test ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp
from scipy.stats import mannwhitneyu
from sklearn.metrics import precision_recall_curve

from docsort.core.probabilities import DEFAULT_THRESHOLD, Task, decisions, limits
from docsort.report.metrics import Array, FloatArray

NUM_BINS = 15  # as in Guo et al. 2017 (arXiv:1706.04599) and torchmetrics
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
# Where few validation documents pull to: a BERT fine-tuned on few is too sure (docs/LOG.md,
# 2026-11-27), and the linear model has learned from the same ones. Halves of both log probabilities
# are their geometric mean, a logarithmic opinion pool (Genest and Zidek 1986).
PRIOR_TEMPERATURE, PRIOR_SHARE = 2.0, 0.5
PRIOR_SHARE_DEVIATION = 0.5
MAX_SHARE = 10.0
# The evidence of a linear model that counts for less than this is not worth a second model.
LEAST_SHARE = 0.05
# Of noise, simulated on 2026-11-29: with 30 documents, 6 of them with the label, tuning gave it to
# 55 % of new documents, and to 1 % with this limit. Labels that can be told lose no F1 by it.
MAX_CHANCE = 0.05


@dataclass(frozen=True)
class Reliability:
    """Confidence against what came true, per bin that holds any; shares and means in [0, 1].

    ece: expected calibration error, the bins' mean gap weighted by what they hold.
    """

    confidence: tuple[float, ...]
    came_true: tuple[float, ...]
    share: tuple[float, ...]
    ece: float


def fit_temperature(logits: Array, truth: Array) -> float:
    """The temperature at which logits (D, C) explain the truth best (least log loss).

    truth: int (D,) for single-label (softmax), bool (D, C) for multi-label (sigmoid). Probabilities
    are those of logits / temperature: above 1 they grow less sure. Few validation documents without
    a mistake would ask for a temperature of 0, so a normal prior on the logarithm, of deviation 1,
    pulls towards PRIOR_TEMPERATURE; it weighs as much as one document or so (of several labels, as
    one label of one). Raises ValueError on a mismatch.
    """
    logits_DC = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(truth)
    if logits_DC.ndim != 2 or not logits_DC.size or not np.isfinite(logits_DC).all():
        raise ValueError(f"logits must be finite and (documents, labels), not {logits_DC.shape}")
    if truth.shape not in (logits_DC.shape, logits_DC.shape[:1]):
        raise ValueError(f"truth has shape {truth.shape} for logits of {logits_DC.shape}")

    # Over the logarithm: halving weighs as much as doubling.
    def loss(log_temperature: float) -> float:
        prior = _penalty(log_temperature) / truth.size
        return _log_loss(logits_DC / np.exp(log_temperature), truth) + prior

    bounds = (np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE))
    fitted = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return float(np.exp(fitted.x))


def fit_mixture(logits: Array, evidence: Array, truth: Array) -> tuple[float, float]:
    """Temperature and weight at which (logits + weight · evidence) / temperature explain the truth.

    logits, evidence: (D, C), the encoder's and the linear model's (docsort/core/linear.py); truth
    as in ``fit_temperature``, whose prior holds here too; weight / temperature, the evidence's
    share, has another, normal about PRIOR_SHARE. Few validation documents thus move it little. The
    weight is 0 where the evidence is of no use. Raises ValueError on a mismatch.
    """
    alone = fit_temperature(logits, truth)
    logits_DC = np.asarray(logits, dtype=np.float64)
    evidence_DC = np.asarray(evidence, dtype=np.float64)
    truth = np.asarray(truth)
    if evidence_DC.shape != logits_DC.shape or not np.isfinite(evidence_DC).all():
        raise ValueError(f"evidence must be finite and of shape {logits_DC.shape}")

    def loss(at: FloatArray) -> float:
        log_temperature, share = at
        of_share = ((share - PRIOR_SHARE) / PRIOR_SHARE_DEVIATION) ** 2 / 2
        prior = (_penalty(log_temperature) + of_share) / truth.size
        mixed_DC = logits_DC / np.exp(log_temperature) + share * evidence_DC
        return _log_loss(mixed_DC, truth) + float(prior)

    limits = [(np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)), (0.0, MAX_SHARE)]
    fitted = minimize(loss, [np.log(alone), PRIOR_SHARE], bounds=limits, method="L-BFGS-B")
    temperature, share = float(np.exp(fitted.x[0])), float(fitted.x[1])
    return (alone, 0.0) if share < LEAST_SHARE else (temperature, share * temperature)


def _penalty(log_temperature: float) -> float:
    """Negative log density of the prior, but for a constant."""
    return float((log_temperature - np.log(PRIOR_TEMPERATURE)) ** 2 / 2)


def _log_loss(logits_DC: FloatArray, truth: Array) -> float:
    """Mean negative log likelihood straight from logits, safe where a probability rounds to 0."""
    if truth.ndim == 2:
        return float(np.logaddexp(0, np.where(truth, -logits_DC, logits_DC)).mean())
    right = logits_DC[np.arange(len(truth)), truth]
    return float((logsumexp(logits_DC, axis=1) - right).mean())


def tune_thresholds(
    probabilities: Array, truth: Array, min_positives: int = 3
) -> tuple[float, ...]:
    """Per label the threshold with the best F1 on these documents; multi-label only.

    A label with fewer than ``min_positives`` documents gets the one threshold with the best F1 of
    all labels' decisions together: its own best cut would be chance, and its probability hardly
    ever reaches the default. The default stays

    - where all labels together have as few documents,
    - for a label on every document: any cut below its lowest score would be best,
    - for a label whose documents do not score higher than the others beyond chance (MAX_CHANCE):
      the best F1 of noise is that of giving the label to nearly every document (Lipton et al. 2014,
      arXiv:1402.1892).
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(truth, dtype=np.bool_)
    if scores.shape != truth.shape or scores.ndim != 2:
        raise ValueError(f"truth has shape {truth.shape}, probabilities {scores.shape}")

    def tuned(scores: FloatArray, truth: Array, of_few: float) -> float:
        if truth.sum() < min_positives:
            return of_few
        return _best_threshold(scores, truth) if _ranked(scores, truth) else DEFAULT_THRESHOLD

    shared = tuned(scores.ravel(), truth.ravel(), DEFAULT_THRESHOLD)
    return tuple(tuned(scores[:, c], truth[:, c], shared) for c in range(scores.shape[1]))


def _ranked(scores: FloatArray, truth: Array) -> bool:
    """Whether the documents with the label score higher than the others, beyond chance."""
    if truth.all() or scores.min() == scores.max():
        return False
    test = mannwhitneyu(scores[truth], scores[~truth], alternative="greater")
    return bool(test.pvalue < MAX_CHANCE)


def _best_threshold(scores: FloatArray, truth: Array) -> float:
    precision, recall, cuts = precision_recall_curve(truth, scores)
    total = precision[:-1] + recall[:-1]
    f1 = np.zeros_like(total)
    np.divide(2 * precision[:-1] * recall[:-1], total, out=f1, where=total > 0)
    best = int(f1.argmax())
    # Midway to the next lower score: at the score itself, rounding would decide about documents.
    lower = cuts[best - 1] if best > 0 else 0.0
    return float((cuts[best] + lower) / 2)


def reliability(
    truth: Array, probabilities: Array, task: Task, num_bins: int = NUM_BINS
) -> Reliability:
    """Reliability in bins of equal width, and the expected calibration error.

    Single-label: a document's highest probability against whether that label was right.
    Multi-label: every label's probability for every document against whether it holds.
    """
    confidence, came_true = _confidences(truth, np.asarray(probabilities, dtype=np.float64), task)
    bins = np.minimum((confidence * num_bins).astype(np.int64), num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    held = counts > 0
    mean_confidence = np.bincount(bins, confidence, num_bins)[held] / counts[held]
    mean_true = np.bincount(bins, came_true, num_bins)[held] / counts[held]
    share = counts[held] / len(confidence)
    return Reliability(
        tuple(mean_confidence.tolist()),
        tuple(mean_true.tolist()),
        tuple(share.tolist()),
        float((share * np.abs(mean_confidence - mean_true)).sum()),
    )


def expected_calibration_error(
    truth: Array, probabilities: Array, task: Task, num_bins: int = NUM_BINS
) -> float:
    """Expected calibration error in [0, 1]; see ``reliability``."""
    return reliability(truth, probabilities, task, num_bins).ece


def document_confidence(
    probabilities: Array, task: Task, thresholds: Sequence[float] | None = None
) -> FloatArray:
    """How sure each document's answer is, float (D,); higher is surer.

    Single-label: the highest probability. Multi-label: the least distance of any label from its
    threshold, for the answer changes when that one label does.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    if task == "multi_label":
        return np.asarray(np.abs(scores - limits(scores.shape[1], thresholds)).min(axis=1))
    return np.asarray(scores.max(axis=1))


def _confidences(truth: Array, scores: FloatArray, task: Task) -> tuple[FloatArray, FloatArray]:
    if task == "multi_label":
        return scores.ravel(), np.asarray(truth, dtype=np.float64).ravel()
    right = decisions(scores, task) == np.asarray(truth)
    return scores.max(axis=1), right.astype(np.float64)
