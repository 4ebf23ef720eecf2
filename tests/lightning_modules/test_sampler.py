"""Batches of similar length: every document once an epoch, reproducible, shared among processes."""

import numpy as np
import pytest

from lightning_modules.sampler import SimilarLengthBatches

LENGTHS = np.random.default_rng(0).integers(3, 500, size=1003)


def batches(epoch: int = 0, **changes: int) -> list[list[int]]:
    sampler = SimilarLengthBatches(LENGTHS, **{"batch_size": 16, "seed": 1, **changes})
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_document_once_an_epoch() -> None:
    assert sorted(i for batch in batches() for i in batch) == list(range(len(LENGTHS)))
    assert {len(batch) for batch in batches()} == {16, 1003 % 16}


def test_order_follows_from_seed_and_epoch() -> None:
    assert batches() == batches()
    assert batches() != batches(epoch=1)
    assert batches() != batches(seed=2)


def test_batches_are_of_similar_length_and_in_random_order() -> None:
    padded = sum(len(batch) * LENGTHS[batch].max() for batch in batches())
    assert LENGTHS.sum() / padded > 0.9
    longest = [LENGTHS[batch].max() for batch in batches()]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


@pytest.mark.parametrize("num_processes", [2, 3, 8])
@pytest.mark.parametrize("num_documents", [64, 65, 1003])
def test_processes_share_every_batch(num_processes: int, num_documents: int) -> None:
    shares = [
        SimilarLengthBatches(LENGTHS[:num_documents], 8, 1, rank, num_processes)
        for rank in range(num_processes)
    ]
    drawn = [list(share) for share in shares]
    assert {len(batches_) for batches_ in drawn} == {len(shares[0])}
    assert all(batch for batches_ in drawn for batch in batches_)
    seen = sorted(i for batches_ in drawn for batch in batches_ for i in batch)
    assert seen == list(range(num_documents))


def test_fewer_documents_than_a_batch() -> None:
    assert sorted(next(iter(SimilarLengthBatches([3, 4], 16, 1)))) == [0, 1]
    assert len(SimilarLengthBatches([3, 4], 16, 1)) == 1
