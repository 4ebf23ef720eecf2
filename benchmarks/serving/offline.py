"""What the same weights do with the same documents on the same cores, with no server at all."""

import time
from statistics import median

from benchmarks.serving.documents import Documents
from docsort.core.scorer import Scorer

CHUNK_DOCUMENTS = 256


def offline_rate(scorer: Scorer, documents: Documents, seconds: float) -> float:
    """Documents a second of ``Scorer.score``: the median of as many rounds as take that long.

    A chunk holds CHUNK_DOCUMENTS: the documents over and over, where there are fewer.
    """
    repeats = -(-CHUNK_DOCUMENTS // len(documents.texts))
    texts = (list(documents.texts) * repeats)[:CHUNK_DOCUMENTS]
    scorer.score(texts[:16])
    rates: list[float] = []
    began = time.perf_counter()
    while not rates or time.perf_counter() - began < seconds:
        started = time.perf_counter()
        scorer.score(texts)
        rates.append(len(texts) / (time.perf_counter() - started))
    return median(rates)
