"""Window tables with literal expectations: capacity 4, overlap 1: windows start every 3 tokens."""

import pytest

from docsort.core.errors import ConfigError
from docsort.core.windows import DocumentWindows, Receipt, WindowPlan

CLS, SEP = 101, 102
PLAN = WindowPlan(window=6, overlap=1, max_windows=3, prefix=(CLS,), suffix=(SEP,))


@pytest.mark.parametrize(
    ("num_tokens", "windows", "tokens_read"),
    [
        (0, [[CLS, SEP]], 0),
        (1, [[CLS, 0, SEP]], 1),
        (4, [[CLS, 0, 1, 2, 3, SEP]], 4),
        (5, [[CLS, 0, 1, 2, 3, SEP], [CLS, 3, 4, SEP]], 5),
        (7, [[CLS, 0, 1, 2, 3, SEP], [CLS, 3, 4, 5, 6, SEP]], 7),
        (8, [[CLS, 0, 1, 2, 3, SEP], [CLS, 3, 4, 5, 6, SEP], [CLS, 6, 7, SEP]], 8),
        (99, [[CLS, 0, 1, 2, 3, SEP], [CLS, 3, 4, 5, 6, SEP], [CLS, 6, 7, 8, 9, SEP]], 10),
    ],
    ids=["empty", "one token", "exact fit", "one more", "two full", "tail", "over the limit"],
)
def test_windows_of_a_document(num_tokens: int, windows: list[list[int]], tokens_read: int) -> None:
    assert PLAN.cut(range(num_tokens)) == windows
    assert PLAN.num_windows(num_tokens) == len(windows)
    assert PLAN.tokens_read(num_tokens) == tokens_read
    assert PLAN.tokens_computed(num_tokens) == sum(map(len, windows))


def test_without_overlap_windows_touch() -> None:
    plan = WindowPlan(window=3, overlap=0, max_windows=9)
    assert plan.cut(range(7)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_windows_of_several_documents_keep_their_order_and_receipts() -> None:
    windows = DocumentWindows.of([[7], list(range(5)), []], PLAN)
    assert windows.documents == (0, 1, 1, 2)
    assert windows.token_ids[0] == [CLS, 7, SEP]
    assert windows.token_ids[3] == [CLS, SEP]
    assert windows.receipts == (Receipt(1, 1, 1), Receipt(5, 5, 2), Receipt(0, 0, 1))
    assert windows.num_documents == 3


@pytest.mark.parametrize(
    ("window", "overlap", "max_windows", "named"),
    [
        (6, 4, 3, "model.overlap=4"),
        (6, 6, 3, "model.overlap=6"),
        (6, -1, 3, "model.overlap=-1"),
        (2, 0, 3, "model.window=2"),
        (6, 1, 0, "model.max_windows=0"),
    ],
)
def test_impossible_plans_are_refused(
    window: int, overlap: int, max_windows: int, named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        WindowPlan(window, overlap, max_windows, (CLS,), (SEP,))
