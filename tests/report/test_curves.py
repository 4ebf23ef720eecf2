"""Curves' points by hand, and that none is lost or invented."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from docsort.report.curves import MAX_POINTS, accuracy_by_length, coverage, precision_recall


def test_coverage_by_hand_with_a_tie_decided_as_one():
    right = np.array([True, False, True, True])
    curve = coverage(right, np.array([0.9, 0.5, 0.5, 0.2]))
    assert curve.share.tolist() == [0.25, 0.75, 1.0]
    assert curve.accuracy.tolist() == pytest.approx([1, 2 / 3, 3 / 4])
    assert curve.score.tolist() == [0.9, 0.5, 0.2]


def test_the_most_that_can_be_decided():
    right = np.array([True, True, False, True, False])
    curve = coverage(right, np.array([0.9, 0.8, 0.7, 0.6, 0.5]))
    point = curve.most_at(0.75)
    assert point is not None
    # Accuracy dips to 2/3 after three and is 3/4 again after four.
    assert (point.share, point.accuracy, point.score) == (0.8, 0.75, 0.6)
    assert coverage(np.array([False]), np.array([0.5])).most_at(0.5) is None


def test_length_bins_hold_every_document_once():
    tokens = np.random.default_rng(0).integers(1, 400, 1000)
    bins = accuracy_by_length(tokens < 200, tokens)
    assert sum(each.documents for each in bins) == 1000
    assert len(bins) == 6
    assert all(before.high < after.low for before, after in pairwise(bins))
    assert (bins[0].low, bins[-1].high) == (tokens.min(), tokens.max())
    assert (bins[0].accuracy, bins[-1].accuracy) == (1.0, 0.0)
    assert all(each.low_95 <= each.accuracy <= each.high_95 for each in bins)


@pytest.mark.parametrize("tokens", [[7], [5, 5, 5], [1, 1, 1, 1, 9]])
def test_length_bins_of_few_or_equal_lengths(tokens):
    bins = accuracy_by_length(np.ones(len(tokens), bool), np.array(tokens))
    assert sum(each.documents for each in bins) == len(tokens)
    assert len(bins) == len(set(tokens))


def test_precision_recall_keeps_ends_and_average_precision():
    rng = np.random.default_rng(0)
    truth = np.zeros((5000, 3), bool)
    truth[:, :2] = rng.random((5000, 2)) < 0.3
    scores = rng.random((5000, 3)) * 0.6 + 0.3 * truth
    curves = precision_recall(truth, scores, ("a", "b", "never true"))
    assert [curve.label for curve in curves] == ["a", "b"]
    for c, curve in enumerate(curves):
        assert len(curve.recall) <= MAX_POINTS
        assert (curve.recall[0], curve.recall[-1]) == (1.0, 0.0)
        expected = average_precision_score(truth[:, c], scores[:, c])
        assert curve.average_precision == pytest.approx(expected)
