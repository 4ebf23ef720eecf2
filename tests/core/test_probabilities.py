"""One rule from probabilities to labels, for one document and for many."""

import numpy as np
import pytest

from docsort.core.probabilities import decide, decisions

SCORES_DC = np.array([[0.2, 0.5, 0.3], [0.5, 0.5, 0.0], [0.1, 0.49, 0.4]])


def test_single_label_takes_the_highest_and_of_equals_the_first() -> None:
    assert decisions(SCORES_DC, "single_label").tolist() == [1, 0, 1]
    assert [decide(row, "single_label") for row in SCORES_DC] == [[1], [0], [1]]


def test_multi_label_takes_what_is_at_or_over_its_threshold() -> None:
    given = [[False, True, False], [True, True, False], [False] * 3]
    assert decisions(SCORES_DC, "multi_label").tolist() == given
    assert [decide(row, "multi_label") for row in SCORES_DC] == [[1], [0, 1], []]
    assert decide(SCORES_DC[2], "multi_label", (0.1, 0.6, 0.3)) == [2, 0]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_one_document_is_decided_as_among_many_in_any_precision(kind: type) -> None:
    scores_DC = np.random.default_rng(0).random((200, 4)).astype(kind)
    thresholds = tuple(float(value) for value in scores_DC[0])
    given_DC = decisions(scores_DC, "multi_label", thresholds)
    for row, given in zip(scores_DC, given_DC, strict=True):
        assert sorted(decide(row, "multi_label", thresholds)) == np.flatnonzero(given).tolist()


def test_thresholds_are_compared_in_float64() -> None:
    # 0.7 as a float32 is 0.69999999: under the threshold, however the scores are stored
    assert decide(np.array([0.7], np.float32), "multi_label", (0.7,)) == []
    assert decide(np.array([0.7]), "multi_label", (0.7,)) == [0]


def test_a_threshold_a_label() -> None:
    with pytest.raises(ValueError, match="thresholds have shape"):
        decisions(SCORES_DC, "multi_label", (0.5,))
