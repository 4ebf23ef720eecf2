"""The cascade's threshold: by hand where that can be done, and by many draws what it promises."""

import numpy as np
import pytest

from docsort.report.cascade import CONFIDENCE, choose_cascade, least_documents, upper_bound


def two_labels(confidence_D: np.ndarray, wrong_D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth (D,) and probabilities (D, 2) of a model that always says label 0."""
    return wrong_D.astype(int), np.stack([confidence_D, 1 - confidence_D], axis=1)


def test_bounds_by_hand() -> None:
    # none of n seen: (1 - p)^n = 0.05
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert upper_bound(3, 3) == 1.0
    # the exact bound is where so few are seen in one of twenty draws
    bound = upper_bound(5, 1000)
    assert np.mean(np.random.default_rng(1).binomial(1000, bound, 200_000) <= 5) == pytest.approx(
        0.05, abs=0.003
    )


def test_it_stops_before_the_first_threshold_that_fails() -> None:
    confidence_D = np.linspace(0.5, 0.9999, 2000)
    wrong_D = (confidence_D < 0.8) & (np.arange(2000) % 2 == 0)
    cascade = choose_cascade(*two_labels(confidence_D, wrong_D), 0.01)
    assert cascade is not None
    # 12 of 2000 hold at 1 %, 13 do not; every second one below 0.8 is wrong
    assert upper_bound(12, 2000) <= 0.01 < upper_bound(13, 2000)
    wrong = int(((confidence_D >= cascade.threshold) & wrong_D).sum())
    assert 8 <= wrong <= 12
    assert cascade.share == np.mean(confidence_D >= cascade.threshold)
    assert (cascade.documents, cascade.confidence) == (2000, CONFIDENCE)


def test_too_few_documents_show_nothing() -> None:
    least = least_documents(0.002)
    assert least == 1497
    none_wrong = np.zeros(least, dtype=bool)
    assert choose_cascade(*two_labels(np.full(least, 0.9999), none_wrong), 0.002) is not None
    assert choose_cascade(*two_labels(np.full(least - 1, 0.9999), none_wrong[1:]), 0.002) is None


def test_the_promise_is_kept_on_documents_that_nothing_was_chosen_on() -> None:
    """Of many tables, at most one in twenty may yield a threshold that errs more than was asked."""
    limit, broken = 0.02, 0
    generator = np.random.default_rng(7)
    for _ in range(400):
        confidence_D = generator.beta(6, 1, 600) / 2 + 0.5
        wrong_D = generator.random(600) < (1 - confidence_D)
        cascade = choose_cascade(*two_labels(confidence_D, wrong_D), limit)
        if cascade is not None:
            many_D = generator.beta(6, 1, 100_000) / 2 + 0.5
            broken += np.mean((many_D >= cascade.threshold) * (1 - many_D)) > limit
    assert broken <= 400 * 0.05 + 2 * np.sqrt(400 * 0.05 * 0.95)
