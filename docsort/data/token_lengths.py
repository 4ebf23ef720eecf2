"""How long documents are in tokens, how much is read, and how much known. Knows no tokenizer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from docsort.core.windows import WindowPlan

NUM_BINS = 30


@dataclass(frozen=True)
class Reading:
    """How the model will read: ids of each text's content tokens, and the windows they are cut to.

    ``unknown_id`` stands for what is not in the vocabulary; None where nothing is outside of it.
    """

    token_ids: Callable[[Sequence[str]], Iterable[list[int]]]
    unknown_id: int | None
    plan: WindowPlan


@dataclass(frozen=True)
class TokenLengths:
    """Content tokens a document, of ``documents`` that were looked at.

    ``several_windows`` don't fit into one window, which holds ``capacity`` of them;
    ``read_in_part`` exceed ``max_windows`` windows, which hold ``limit``. The histogram's ``edges``
    (one more than ``counts``) are in tokens, even on a logarithmic scale. ``unknown`` is the
    fraction of all tokens that stand for what the vocabulary lacks.
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
    unknown: float


def token_lengths(texts: Sequence[str], reading: Reading) -> TokenLengths:
    """``texts`` must not be empty."""
    # one text after the other: the ids of all together may not fit into memory
    counts = [(len(ids), _count(ids, reading.unknown_id)) for ids in reading.token_ids(texts)]
    lengths = np.array([length for length, _ in counts], dtype=np.int64)
    num_unknown = sum(unknown for _, unknown in counts)
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
        unknown=round(num_unknown / max(1, int(lengths.sum())), 4),
    )


def _count(token_ids: Sequence[int], unknown_id: int | None) -> int:
    return 0 if unknown_id is None else token_ids.count(unknown_id)
