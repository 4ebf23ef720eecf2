"""How a batch of documents is cut so that it ends in time, however long its documents are.

Knows lengths and a clock; no model and no server.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

# About 60,000 tokens: a dozen full passes on a CPU, one on a GPU, so that cutting costs little.
MAX_CHUNK_CHARACTERS = 1 << 18
# Set for a worker by whoever starts it: how long TorchServe waits for a batch before it ends the
# worker, and with it every request of the batch.
TIMEOUT_VARIABLE = "DOCSORT_RESPONSE_TIMEOUT_S"


@dataclass
class Deadline:
    """``budget_s`` seconds from now on."""

    budget_s: float
    _started: float = field(default_factory=time.monotonic)

    @property
    def has_passed(self) -> bool:
        return time.monotonic() - self._started > self.budget_s


def cut_chunks(
    lengths: Sequence[int], max_characters: int = MAX_CHUNK_CHARACTERS
) -> Iterator[list[int]]:
    """Indices of documents to score together, the shortest first.

    So when time runs out it is the longest documents that are left, not those beside them. A
    chunk holds up to ``max_characters``; a longer document is a chunk of its own.
    """
    chunk: list[int] = []
    size = 0
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if chunk and size + lengths[index] > max_characters:
            yield chunk
            chunk, size = [], 0
        chunk.append(index)
        size += lengths[index]
    if chunk:
        yield chunk
