"""Chunks of a batch: every document once, the shortest first, and no more than time allows."""

from collections.abc import Sequence

import pytest

from docsort.core import workload
from docsort.core.workload import MAX_CHARACTERS, Deadline, cut_documents, cut_texts, in_parts

HALF = MAX_CHARACTERS // 2


class Clock:
    """Seconds, as they are told."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(workload, "monotonic", clock)
    return clock


def scored(
    clock: Clock, num_tokens: Sequence[int], budget_s: float, tokens_per_s: float
) -> list[list[int]]:
    """The chunks that are cut where scoring has this pace."""
    chunks = []
    for chunk in cut_documents(num_tokens, Deadline(budget_s)):
        chunks.append(chunk)
        clock.now_s += sum(num_tokens[index] for index in chunk) / tokens_per_s
    return chunks


def test_parts_keep_order_and_hold_so_many_characters() -> None:
    texts = ["aaa", "bb", "", "cccccc", "d", "e"]
    parts = [list(part) for part in in_parts(texts, 5)]
    assert parts == [["aaa", "bb", ""], ["cccccc"], ["d", "e"]]
    assert list(in_parts([], 5)) == []


def test_texts() -> None:
    deadline = Deadline(600)
    assert list(cut_texts([], deadline)) == []
    assert list(cut_texts([3, 2, 3], deadline)) == [[1, 0, 2]]
    assert list(cut_texts([HALF, 9, HALF, HALF - 9], deadline)) == [[1, 3, 0], [2]]
    assert list(cut_texts([MAX_CHARACTERS + 1, 1], deadline)) == [[1], [0]]


def test_no_more_texts_when_time_is_up(clock: Clock) -> None:
    chunks = cut_texts([HALF, HALF, HALF, HALF, HALF, HALF], Deadline(10))
    assert next(chunks) == [0, 1]
    clock.now_s = 9
    assert next(chunks) == [2, 3]
    clock.now_s = 11
    assert list(chunks) == []


def test_what_any_worker_can_do_is_one_chunk(clock: Clock) -> None:
    assert scored(clock, [], 10, 100) == []
    assert scored(clock, [0, 0], 10, 100) == [[0, 1]]
    assert scored(clock, [500, 3, 900, 500], 10, 300) == [[1, 0, 3, 2]]


def test_the_pace_of_the_first_chunk_says_how_much_more_is_done(clock: Clock) -> None:
    # 2,560 tokens may be tried in 10 s; at 500 a second that leaves time for 2,500 more
    assert scored(clock, [500] * 20, 10, 500) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert scored(clock, [500] * 20, 10, 260) == [[0, 1, 2, 3, 4]]
    assert scored(clock, [500] * 20, 10, 1e6) == [[0, 1, 2, 3, 4], [*range(5, 20)]]


def test_the_first_chunk_is_long_enough_to_tell_the_pace(clock: Clock) -> None:
    """Documents that cost nothing, or next to it, say nothing of a long one's time."""
    assert scored(clock, [0, 4, 9000], 1, 1e6) == [[0, 1, 2]]
    assert scored(clock, [9000], 1, 100) == [[0]]  # one is always tried
    assert scored(clock, [9000, 9000, 9000], 1, 100) == [[0, 1]]


def test_a_slower_second_chunk_is_the_last(clock: Clock) -> None:
    chunks = cut_documents([500] * 30, Deadline(10))
    assert next(chunks) == [0, 1, 2, 3, 4]
    clock.now_s = 2.5
    assert next(chunks) == [*range(5, 20)]
    clock.now_s = 11
    assert list(chunks) == []
