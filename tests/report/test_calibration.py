"""Temperature and thresholds are found again where they are known; ECE agrees with torchmetrics."""

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.metrics import f1_score, log_loss
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
)

from docsort.report.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    document_confidence,
    expected_calibration_error,
    fit_mixture,
    fit_temperature,
    reliability,
    tune_thresholds,
)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_fit_finds_the_temperature_that_the_truth_was_drawn_with(temperature):
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 2, (20_000, 5))
    drawn = softmax(honest, axis=1).cumsum(axis=1) > rng.random((20_000, 1))
    fitted = fit_temperature(honest * temperature, drawn.argmax(axis=1))
    assert fitted == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_fit_finds_the_multi_label_temperature(temperature):
    rng = np.random.default_rng(0)
    honest = rng.normal(-1, 2, (20_000, 3))
    truth = expit(honest) > rng.random(honest.shape)
    assert fit_temperature(honest * temperature, truth) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_has_a_lower_log_loss():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 500)
    logits = rng.normal(0, 3, (500, 3)) + 2 * np.eye(3)[truth]
    best = fit_temperature(logits, truth)
    losses = [log_loss(truth, softmax(logits / (best * by), axis=1)) for by in (0.97, 1, 1.03)]
    assert losses[1] == min(losses)


def test_few_documents_without_a_mistake_do_not_make_it_certain():
    few, many = (np.arange(count) % 3 for count in (30, 30_000))
    after_few, after_many = (fit_temperature(4 * np.eye(3)[truth], truth) for truth in (few, many))
    assert 0.3 < after_few < 1
    assert MIN_TEMPERATURE < after_many < after_few


def test_fit_stays_in_bounds():
    truth = np.arange(3000) % 3
    upside_down = -1000 * np.eye(3)[truth]
    assert fit_temperature(upside_down, truth) == pytest.approx(MAX_TEMPERATURE, rel=0.01)
    # So large that probabilities are 0 in float64.
    assert np.isfinite(fit_temperature(upside_down * 1e5, truth))


def test_the_mixture_finds_what_both_models_know():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 2, (2, 20_000, 5))
    drawn = softmax(ours + 0.5 * theirs, axis=1).cumsum(axis=1) > rng.random((20_000, 1))
    temperature, weight = fit_mixture(3 * ours, theirs, drawn.argmax(axis=1))
    assert temperature == pytest.approx(3, rel=0.05)
    assert weight == pytest.approx(1.5, rel=0.1)


def test_the_mixture_of_several_labels_a_document():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(-1, 2, (2, 20_000, 3))
    truth = expit(ours + theirs) > rng.random(ours.shape)
    temperature, weight = fit_mixture(2 * ours, theirs, truth)
    assert (temperature, weight) == (pytest.approx(2, rel=0.05), pytest.approx(2, rel=0.1))


def test_evidence_that_misleads_gets_no_weight():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 2000)
    logits = rng.normal(0, 1, (2000, 3)) + np.eye(3)[truth]
    against = -np.eye(3)[truth]
    assert fit_mixture(logits, against, truth) == (fit_temperature(logits, truth), 0.0)


@pytest.mark.parametrize("several", [False, True])
def test_documents_that_tell_nothing_leave_the_geometric_mean(several):
    """Of the encoder's and the linear model's probabilities."""
    truth = np.arange(6) % 2
    nothing, truth = np.zeros((6, 2)), np.eye(2, dtype=bool)[truth] if several else truth
    assert fit_temperature(nothing, truth) == pytest.approx(2, abs=1e-3)
    temperature, weight = fit_mixture(nothing, nothing, truth)
    assert (temperature, weight) == (pytest.approx(2, abs=1e-3), pytest.approx(1, abs=1e-3))


def test_few_documents_move_the_mixture_little():
    truth = np.arange(6) % 3
    temperature, weight = fit_mixture(3 * np.eye(3)[truth], 3 * np.eye(3)[truth], truth)
    assert 1 < temperature < 2
    assert 0.5 < weight / temperature < 0.8


def test_fit_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="truth has shape"):
        fit_temperature(np.zeros((3, 2)), np.zeros(4, int))
    with pytest.raises(ValueError, match="finite"):
        fit_temperature(np.full((3, 2), np.nan), np.zeros(3, int))


def test_thresholds_separate_what_can_be_separated():
    scores = np.array([[0.1, 0.6], [0.2, 0.7], [0.3, 0.8], [0.3, 0.9], [0.35, 0.95]] * 3)
    truth = np.array([[0, 0], [0, 0], [1, 1], [1, 1], [1, 1]] * 3, dtype=bool)
    # Midway between the last score without the label and the first with it.
    assert tune_thresholds(scores, truth) == pytest.approx((0.25, 0.75))


def test_thresholds_have_the_best_f1_of_all():
    rng = np.random.default_rng(0)
    truth = rng.random((120, 3)) < (0.1, 0.3, 0.6)
    scores = expit(2 * truth - 2 + rng.normal(0, 1, truth.shape))
    for c, threshold in enumerate(tune_thresholds(scores, truth)):
        best = max(f1_score(truth[:, c], scores[:, c] >= cut) for cut in scores[:, c])
        assert f1_score(truth[:, c], scores[:, c] >= threshold) == pytest.approx(best)


@pytest.mark.parametrize("prevalence", [0.1, 0.3])
@pytest.mark.parametrize("num", [30, 100])
def test_a_label_that_is_noise_goes_to_few_documents(prevalence, num):
    rng = np.random.default_rng(0)
    given = []
    for _ in range(40):
        truth = rng.random((num, 2)) < prevalence
        scores = expit(np.log(prevalence / (1 - prevalence)) + rng.normal(0, 0.5, truth.shape))
        new = expit(np.log(prevalence / (1 - prevalence)) + rng.normal(0, 0.5, (500, 2)))
        given.append((new >= tune_thresholds(scores, truth)).mean())
    assert np.mean(given) < prevalence


def test_rare_labels_share_the_threshold_of_all_labels_together():
    """Of two documents and of none; one that is on every document keeps the default."""
    rng = np.random.default_rng(0)
    truth = rng.random((60, 5)) < (0.4, 0.2, 0, 0, 1)
    truth[:2, 2] = True
    scores = expit(2 * truth - 3 + rng.normal(0, 1, truth.shape))
    thresholds = tune_thresholds(scores, truth)
    common, other, rare, absent, everywhere = thresholds
    assert (absent, everywhere) == (rare, 0.5)
    assert len({common, other, rare, 0.5}) == 4
    best = max(f1_score(truth.ravel(), scores.ravel() >= cut) for cut in scores.ravel())
    assert f1_score(truth.ravel(), scores.ravel() >= rare) == pytest.approx(best)


@pytest.mark.parametrize(
    ("truth", "shared"),
    [
        ([[1, 0, 0]] * 2 + [[0, 0, 0]] * 8, 0.5),
        ([[1, 0, 1]] * 2 + [[0, 0, 0]] * 8, 0.05),
        ([[1, 1, 1]] * 2, 0.5),
        ([[1, 1, 1]] * 10, 0.5),
    ],
)
def test_the_shared_threshold_is_half_with_too_few_or_everywhere(truth, shared):
    scores = np.where(truth, 0.1, 0.0)
    assert tune_thresholds(scores, np.array(truth, dtype=bool)) == (shared,) * 3


@pytest.mark.parametrize("num_bins", [10, 15])
def test_ece_agrees_with_torchmetrics(make_run, num_bins):
    run = make_run(ahead=False)
    theirs = multiclass_calibration_error(
        torch.tensor(run.probabilities),
        torch.tensor(run.truth),
        num_classes=4,
        n_bins=num_bins,
        norm="l1",
    )
    ours = expected_calibration_error(run.truth, run.probabilities, run.task, num_bins)
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_multi_label_ece_agrees_with_torchmetrics_over_all_decisions(make_multi_label_run):
    run = make_multi_label_run()
    theirs = binary_calibration_error(
        torch.tensor(run.probabilities.ravel()), torch.tensor(run.truth.ravel()).int(), n_bins=15
    )
    ours = expected_calibration_error(run.truth, run.probabilities, run.task)
    assert ours == pytest.approx(float(theirs), abs=1e-6)


def test_reliability_of_certain_answers_by_hand():
    # All sure; three of four right: the one bin is 0.25 off.
    probabilities = np.eye(2)[[0, 0, 1, 1]]
    found = reliability(np.array([0, 0, 1, 0]), probabilities, "single_label")
    assert found.confidence == (1.0,)
    assert found.came_true == (0.75,)
    assert found.ece == 0.25


def test_confidence_is_the_highest_probability_or_the_least_margin():
    scores = np.array([[0.7, 0.3], [0.1, 0.9]])
    assert document_confidence(scores, "single_label").tolist() == [0.7, 0.9]
    margins = document_confidence(scores, "multi_label", (0.6, 0.5))
    assert margins == pytest.approx([0.1, 0.4])
