"""How long documents are in tokens, and how much of them is read. Knows no tokenizer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from docsort.core.windows import WindowPlan

NUM_BINS = 30


@dataclass(frozen=True)
class Reading:
    """How the model will read: content tokens of each text, and how these are cut into windows."""

    num_tokens: Callable[[Sequence[str]], list[int]]
    plan: WindowPlan


@dataclass(frozen=True)
class TokenLengths:
    """Content tokens a document, of ``documents`` that were looked at.

    ``several_windows`` don't fit into one window, which holds ``capacity`` of them;
    ``read_in_part`` exceed ``max_windows`` windows, which hold ``limit``. The histogram's ``edges``
    (one more than ``counts``) are in tokens, even on a logarithmic scale.
    """

    documents: int
    mean: float
    percentiles: dict[str, int]
    several_windows: int
    read_in_part: int
    window: int
    max_windows: int
    capacity: int
    limit: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def token_lengths(texts: Sequence[str], reading: Reading) -> TokenLengths:
    """``texts`` must not be empty."""
    lengths = np.array(reading.num_tokens(texts), dtype=np.int64)
    plan = reading.plan
    read = np.array([plan.tokens_read(length) for length in lengths.tolist()])
    edges = np.geomspace(max(1, lengths.min()), lengths.max() + 1, NUM_BINS + 1)
    return TokenLengths(
        documents=len(lengths),
        mean=round(float(lengths.mean()), 1),
        percentiles={str(p): int(np.percentile(lengths, p)) for p in (0, 10, 50, 90, 99, 100)},
        several_windows=int((lengths > plan.capacity).sum()),
        read_in_part=int((read < lengths).sum()),
        window=plan.window,
        max_windows=plan.max_windows,
        capacity=plan.capacity,
        limit=plan.capacity + (plan.max_windows - 1) * plan.step,
        edges=tuple(edges.round(2).tolist()),
        counts=tuple(np.histogram(np.maximum(lengths, 1), edges)[0].tolist()),
    )
