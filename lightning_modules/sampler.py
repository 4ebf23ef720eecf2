"""Batches of documents of similar length. Knows lengths only, neither texts nor tensors."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

# Documents are sorted by length inside chunks of this many batches: long enough that little is
# padding (94 % real tokens on R8), short enough that an epoch's batches stay random.
CHUNK_BATCHES = 50


class SimilarLengthBatches(Sampler[list[int]]):
    """Each epoch, every document once, in batches of similar length, in random order.

    The order is a pure function of seed and epoch, so that a place in an epoch is all that a
    resumed run needs to know. Several processes cut the same batches and each takes its share of
    every one, so that all make the same number of steps.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        batch_size: int,
        seed: int,
        rank: int = 0,
        num_processes: int = 1,
    ) -> None:
        """``lengths``: tokens of each document; ``batch_size``: documents a step and process."""
        self._lengths = np.minimum(np.asarray(lengths), np.iinfo(np.int32).max)
        self._global_batch = batch_size * num_processes
        self._seed, self._rank, self._num_processes = seed, rank, num_processes
        self._epoch = self._drawn = 0
        self._go_on_from = {"epoch": 0, "drawn": 0}

    @property
    def sampler(self) -> "SimilarLengthBatches":
        """Where Lightning looks for ``set_epoch`` of a batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        batch_size = self._global_batch // self._num_processes
        return batches_in_epoch(len(self._lengths), batch_size, self._num_processes)

    def __iter__(self) -> Iterator[list[int]]:
        place = self._go_on_from
        # an epoch after the one that was left begins at its start
        self._drawn = place["drawn"] if place["epoch"] == self._epoch else 0
        for batch in self._global_batches()[self._drawn :]:
            self._drawn += 1
            yield [int(i) for i in batch[self._rank :: self._num_processes]]

    def state_dict(self) -> dict[str, int]:
        """The place in the current epoch: batches drawn of it."""
        return {"epoch": self._epoch, "drawn": self._drawn}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on behind the batches that were drawn."""
        self._go_on_from = dict(state)

    def _global_batches(self) -> list[np.ndarray]:
        """The epoch's batches over all processes, in their order."""
        rng = np.random.default_rng((self._seed, self._epoch))
        order = rng.permutation(len(self._lengths))
        chunk = self._global_batch * CHUNK_BATCHES
        pieces = [order[i : i + chunk] for i in range(0, len(order), chunk)]
        by_length = np.concatenate(
            [piece[np.argsort(self._lengths[piece], kind="stable")] for piece in pieces]
        )
        cuts = range(self._global_batch, len(by_length), self._global_batch)
        batches = np.split(by_length, list(cuts)[: len(self) - 1])
        return [batches[i] for i in rng.permutation(len(batches))]


def batches_in_epoch(num_documents: int, batch_size: int, num_processes: int) -> int:
    """What each process makes of so many documents, ``batch_size`` at a time."""
    global_batch = batch_size * num_processes
    # a last batch with less than one document a process joins the one before it
    rest = num_documents % global_batch
    return max(1, -(-num_documents // global_batch) - (0 < rest < num_processes))
