"""How sure the linear model must be to answer without the encoder, so that little is lost by it.

The error that this adds is at most the share of all documents that the linear model answers, and
answers wrongly; whatever the encoder would have said. That share is bounded on documents which the
linear model has not seen: by cross-fitting, so the bound is strictly of models that learned from a
part of the documents, and taken to hold for the one that learned from all. Thresholds are tried in
a fixed order, the strictest first, until one can't be shown to hold: so all before it hold together
with the stated confidence, although the loosest of them is taken (fixed-sequence testing;
Angelopoulos et al. 2021, "Learn then test", arXiv:2110.01052). It holds for documents like those,
not for others.
"""

import numpy as np
from scipy.stats import beta

from docsort.core.bundle import Cascade
from docsort.report.metrics import Array

CONFIDENCE = 0.95
# of the linear model's highest probability, the strictest first
THRESHOLDS = tuple(round(1 - step / 1000, 3) for step in range(1, 501))


def choose_cascade(truth: Array, probabilities: Array, max_extra_error: float) -> Cascade | None:
    """The loosest threshold that holds; None where not even the strictest does.

    Args:
        truth: int (D,), classes.
        probabilities: (D, C), the linear model's, of documents that it has not seen.
        max_extra_error: share of all documents, over 0 and below 1.
    """
    probabilities_DC, truth_D = np.asarray(probabilities), np.asarray(truth)
    confidence_D = probabilities_DC.max(axis=1)
    wrong_D = probabilities_DC.argmax(axis=1) != truth_D
    num = len(truth_D)
    chosen = None
    for threshold in THRESHOLDS:
        answered_D = confidence_D >= threshold
        if upper_bound(int((answered_D & wrong_D).sum()), num) > max_extra_error:
            break
        chosen = Cascade(threshold, max_extra_error, CONFIDENCE, num, float(answered_D.mean()))
    return chosen


def upper_bound(count: int, num: int, confidence: float = CONFIDENCE) -> float:
    """What a share is below with this confidence, ``count`` of ``num`` seen (Clopper, Pearson)."""
    return float(beta.ppf(confidence, count + 1, num - count)) if count < num else 1.0


def least_documents(max_extra_error: float) -> int:
    """How many documents it takes to show so small an error, if not one is wrong."""
    return int(np.ceil(np.log(1 - CONFIDENCE) / np.log1p(-max_extra_error)))
