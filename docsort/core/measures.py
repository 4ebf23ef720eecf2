"""What is measured of a served batch: names, values and labels. Knows no TorchServe and no text.

TorchServe's histograms have the Prometheus client's default buckets, 0.005 to 10. So each unit here
is one in which they tell something apart: seconds, thousands of tokens, and one less the
confidence, which is nearly always near 1.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from docsort.core.bundle import Bundle
from docsort.core.probabilities import decide
from docsort.core.scorer import Prediction

# What stands between TorchServe's metrics on a line of a worker's output.
_RESERVED = str.maketrans(dict.fromkeys(',:|#"\\\n\r', "_"))

Measure = tuple[str, float, tuple[str, ...]]  # a metric's name, its value, further dimensions


def measures_of(predictions: Sequence[Prediction], bundle: Bundle) -> Iterator[Measure]:
    """What the answered documents were like; labels are counted, everything else is a histogram."""
    labels: Counter[str] = Counter()
    for prediction in predictions:
        yield "docsort_document_kilotokens", prediction.receipt.tokens / 1000, ()
        yield "docsort_document_windows", prediction.receipt.windows, ()
        yield "docsort_document_uncertainty", 1 - float(prediction.probabilities.max()), ()
        decided = decide(prediction.probabilities, bundle.task, bundle.calibration.thresholds)
        labels.update(bundle.labels[c] for c in decided)
    for label, count in labels.items():
        yield "docsort_labels_total", count, (label.translate(_RESERVED),)
