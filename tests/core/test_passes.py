"""Passes: every window once, at the least cost, and no short window padded to a long one."""

import itertools

import pytest

from docsort.core.passes import cut_passes


def cost(lengths: list[int], passes: list[list[int]], pass_cost: int) -> int:
    return sum(len(p) * max(lengths[i] for i in p) + pass_cost for p in passes)


def cheapest_by_trying_all(lengths: list[int], pass_cost: int) -> int:
    """All ways to cut the sorted lengths into runs."""
    ordered = sorted(lengths)
    best = []
    for bits in itertools.product([False, True], repeat=len(ordered) - 1):
        runs, run = [], [ordered[0]]
        for cut, length in zip(bits, ordered[1:], strict=True):
            if cut:
                runs.append(run)
                run = []
            run.append(length)
        runs.append(run)
        best.append(sum(len(run) * run[-1] + pass_cost for run in runs))
    return min(best)


@pytest.mark.parametrize(
    "lengths", [[5], [5, 5, 5], [3, 200, 4, 190, 5, 64, 66], [1, 2, 3, 4, 5, 6, 7, 8]]
)
@pytest.mark.parametrize("pass_cost", [0, 1, 30, 500])
def test_cheapest_grouping(lengths: list[int], pass_cost: int) -> None:
    passes = cut_passes(lengths, pass_cost, max_tokens=10_000)
    assert sorted(i for p in passes for i in p) == list(range(len(lengths)))
    assert cost(lengths, passes, pass_cost) == cheapest_by_trying_all(lengths, pass_cost)


def test_a_long_window_does_not_pad_short_ones() -> None:
    assert cut_passes([8, 512, 9, 8], pass_cost=32, max_tokens=4096) == [[0, 3, 2], [1]]


def test_no_pass_is_larger_than_allowed_unless_one_window_is() -> None:
    passes = cut_passes([10] * 7 + [100], pass_cost=1000, max_tokens=30)
    assert [len(p) for p in passes] == [1, 3, 3, 1]


def test_nothing_to_cut() -> None:
    assert cut_passes([], pass_cost=32, max_tokens=4096) == []
