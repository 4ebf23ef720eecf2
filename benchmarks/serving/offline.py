"""What the same weights do with the same documents on the same cores, with no server at all."""

import time
from statistics import median

from benchmarks.serving.documents import Documents
from docsort.core.scorer import Scorer

# As many as docsort's commands hold at once; fewer are scored in one go.
CHUNK_DOCUMENTS = 256


def offline_rate(scorer: Scorer, documents: Documents, seconds: float) -> float:
    """Documents a second of ``Scorer.score``: the median of as many rounds as take that long."""
    texts = documents.texts
    scorer.score(texts[:16])
    rates: list[float] = []
    began = time.perf_counter()
    while not rates or time.perf_counter() - began < seconds:
        started = time.perf_counter()
        for start in range(0, len(texts), CHUNK_DOCUMENTS):
            scorer.score(texts[start : start + CHUNK_DOCUMENTS])
        rates.append(len(texts) / (time.perf_counter() - started))
    return median(rates)
