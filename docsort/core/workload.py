"""How a batch of documents is cut so that it ends in time, however long its documents are.

Knows lengths and a clock; no model and no server.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from time import monotonic

# Texts read together. Of punctuation alone that is 0.2 s and 100 MB for the tokenizer; four
# ordinary requests are less.
MAX_CHARACTERS = 1 << 18
# What any worker is trusted to compute before it is timed. MiniLM does 4,650 a second on one core;
# BERT base has eight times its weights to go through. In 60 s it is 60 windows of 256.
TRUSTED_TOKENS_PER_S = 256
# Set for a worker by whoever starts it: how long TorchServe waits for a batch before it ends the
# worker, and with it every request of the batch.
TIMEOUT_VARIABLE = "DOCSORT_RESPONSE_TIMEOUT_S"


class Deadline:
    """``budget_s`` seconds from now on."""

    def __init__(self, budget_s: float) -> None:
        self._end = monotonic() + budget_s

    @property
    def left_s(self) -> float:
        """Seconds that remain; 0 or less once it has passed."""
        return self._end - monotonic()


def in_parts(texts: Sequence[str], max_characters: int) -> Iterator[Sequence[str]]:
    """The texts in their order, in parts of up to ``max_characters``.

    A longer text is a part of its own.
    """
    start, size = 0, 0
    for end, text in enumerate(texts):
        if end > start and size + len(text) > max_characters:
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    if texts:
        yield texts[start:]


def cut_texts(lengths: Sequence[int], deadline: Deadline) -> Iterator[list[int]]:
    """Indices of texts to read together, the shortest first, until time is up.

    A chunk holds up to ``MAX_CHARACTERS``; a longer text is a chunk of its own.
    """
    waiting = _least_first(lengths)
    while waiting:
        yield _take(waiting, lengths, MAX_CHARACTERS)
        if deadline.left_s <= 0:
            return


def cut_documents(num_tokens: Sequence[int], deadline: Deadline) -> Iterator[list[int]]:
    """Indices of documents to score together, those of the fewest tokens first, while time allows.

    ``num_tokens`` are those that the encoder computes of each. So when time runs out it is the
    longest documents that are left, not those beside them. The first chunk is what a worker is
    trusted to end in time, or as much as two of the longest documents where that is more; the time
    that a chunk takes, from its yield to the next one, tells how much more can be done.
    """
    waiting = _least_first(num_tokens)
    limit = max(TRUSTED_TOKENS_PER_S * deadline.left_s, 2 * max(num_tokens, default=0))
    while waiting and num_tokens[waiting[0]] <= limit:
        chunk = _take(waiting, num_tokens, limit)
        started = monotonic()
        yield chunk
        took_s = max(monotonic() - started, 1e-6)
        limit = sum(num_tokens[index] for index in chunk) / took_s * deadline.left_s


def _least_first(sizes: Sequence[int]) -> deque[int]:
    return deque(sorted(range(len(sizes)), key=lambda i: (sizes[i], i)))


def _take(waiting: deque[int], sizes: Sequence[int], limit: float) -> list[int]:
    """Remove from ``waiting`` the first, and those after it whose sum with it is in the limit."""
    chunk = [waiting.popleft()]
    size = sizes[chunk[0]]
    while waiting and size + sizes[waiting[0]] <= limit:
        size += sizes[waiting[0]]
        chunk.append(waiting.popleft())
    return chunk
