"""Answers of one run to figures: requests a second, latencies, errors. Knows no HTTP."""

from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import Any

SHORT_TOKENS = 64
PERCENTILES = (50, 95, 99)
FAILED = "failed"
Answer = tuple[int, float, float, int]  # document, due and ended in seconds, status


def summarise(
    answers: Sequence[Answer], tokens: Sequence[int], warm_up_s: float, end_s: float
) -> dict[str, Any]:
    """Figures of one point.

    A rate counts the answers from the last one of the warm-up to the last one before the end:
    batches are answered at once, and whole ones have to be counted. Latencies count the requests
    that were due after the warm-up, also where their answers came after the end; one that failed
    counts as slower than any answer, and a percentile that falls on such is "failed".

    Args:
        tokens: word pieces of each document, as the server reads it.
    """
    good = [answer for answer in answers if answer[3] == 200]
    since_s = max((answer[2] for answer in good if answer[2] <= warm_up_s), default=0.0)
    came = [answer for answer in good if since_s < answer[2] <= end_s]
    due = [answer for answer in answers if answer[1] >= warm_up_s]
    short = [answer for answer in due if tokens[answer[0]] < SHORT_TOKENS]
    seconds = max((answer[2] for answer in came), default=end_s) - since_s
    errors = Counter(str(answer[3]) for answer in answers if answer[3] != 200)
    return {
        "seconds": round(seconds, 2),
        "answers": len(came),
        "requests_per_s": round(len(came) / seconds, 2),
        "tokens_per_s": round(sum(tokens[answer[0]] for answer in came) / seconds),
        "errors": dict(errors),
        "latency_ms": _latencies(due),
        "short_latency_ms": _latencies(short),
    }


def _latencies(answers: Sequence[Answer]) -> dict[str, float | int | str]:
    taken = sorted(ended - due if status == 200 else inf for _, due, ended, status in answers)
    if not taken:
        return {"num": 0}
    return {"num": len(taken), **{f"p{p}": _ms(percentile(taken, p)) for p in PERCENTILES}}


def _ms(seconds: float) -> float | str:
    return FAILED if seconds == inf else round(1000 * seconds, 1)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest rank: the smallest value that so many per cent of all do not exceed."""
    rank = -(-percent * len(ordered) // 100)
    return ordered[max(0, rank - 1)]
