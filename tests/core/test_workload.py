"""Chunks of a batch: every document once, the shortest first, none over the limit but one alone."""

from docsort.core.workload import Deadline, cut_chunks


def test_chunks() -> None:
    assert list(cut_chunks([], 10)) == []
    assert list(cut_chunks([3, 3, 3], 10)) == [[0, 1, 2]]
    assert list(cut_chunks([9, 3, 3, 4, 12], 10)) == [[1, 2, 3], [0], [4]]
    assert list(cut_chunks([5, 5, 1], 10)) == [[2, 0], [1]]
    assert list(cut_chunks([99], 10)) == [[0]]


def test_a_deadline() -> None:
    assert Deadline(-1).has_passed
    assert not Deadline(600).has_passed
