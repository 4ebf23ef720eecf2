"""Bootstrap intervals: against scipy's own bootstrap, a plain loop, and known truths."""

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import f1_score

from docsort.core.probabilities import decisions
from docsort.report import intervals
from docsort.report.intervals import Interval, bootstrap


def test_accuracy_interval_agrees_with_scipys_bootstrap(make_run):
    run = make_run(ahead=False)
    predicted = run.probabilities.argmax(axis=1)
    ours = bootstrap(run.truth, predicted, None, 4, "single_label").metrics["accuracy"]
    theirs = scipy_bootstrap(
        ((run.truth == predicted).astype(float),), np.mean, method="percentile", rng=0
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


@pytest.mark.parametrize("name", ["macro_f1", "weighted_f1"])
def test_f1_intervals_agree_with_a_plain_loop(make_run, name):
    run = make_run(ahead=False)
    predicted = run.probabilities.argmax(axis=1)
    ours = bootstrap(run.truth, predicted, None, 4, "single_label").metrics[name]
    rng = np.random.default_rng(7)
    figures = []
    for _ in range(400):
        drawn = rng.integers(0, 300, 300)
        average = name.removesuffix("_f1")
        figures.append(f1_score(run.truth[drawn], predicted[drawn], average=average))
    low, high = np.quantile(figures, (0.025, 0.975))
    assert ours.low == pytest.approx(low, abs=0.015)
    assert ours.high == pytest.approx(high, abs=0.015)


def test_multi_label_intervals_hold_their_figure(make_multi_label_run):
    run = make_multi_label_run()
    predicted = decisions(run.probabilities, run.task, run.thresholds)
    found = bootstrap(run.truth, predicted, None, 4, run.task)
    for name, average in {"macro_f1": "macro", "micro_f1": "micro"}.items():
        figure = f1_score(run.truth, predicted, average=average)
        assert found.metrics[name].low < figure < found.metrics[name].high
    each = f1_score(run.truth, predicted, average=None)
    for interval, figure in zip(found.class_f1, each, strict=True):
        assert interval.low < figure < interval.high


@pytest.mark.parametrize(
    ("num_right", "of", "low", "high"),  # by Wilson's formula, z = 1.96
    [(8, 8, 0.6756, 1), (0, 8, 0, 0.3244), (1, 1, 0.2065, 1), (2000, 2000, 0.9981, 1)],
)
def test_accuracy_without_exception_has_wilsons_interval(num_right, of, low, high):
    truth = np.arange(of) % 2
    predicted = np.where(np.arange(of) < num_right, truth, 1 - truth)
    several = np.eye(2, dtype=bool)
    for found in (
        bootstrap(truth, predicted, None, 2, "single_label"),
        bootstrap(several[truth], several[predicted], None, 2, "multi_label"),
    ):
        assert found.metrics["accuracy"].low == pytest.approx(low, abs=1e-4)
        assert found.metrics["accuracy"].high == pytest.approx(high, abs=1e-4)


def test_lead_is_paired_so_equal_systems_differ_by_nothing(make_run):
    predicted = make_run().probabilities.argmax(axis=1)
    lead = bootstrap(make_run().truth, predicted, predicted, 4, "single_label").lead
    assert set(lead.values()) == {Interval(0.0, 0.0)}


def test_lead_over_a_weaker_system_is_above_zero(make_run):
    run = make_run()
    ours, theirs = (
        scores.argmax(axis=1) for scores in (run.probabilities, run.baseline_probabilities)
    )
    assert bootstrap(run.truth, ours, theirs, 4, "single_label").lead["accuracy"].low > 0
    assert bootstrap(run.truth, theirs, ours, 4, "single_label").lead["accuracy"].high < 0


def test_the_same_seed_gives_the_same_intervals_in_chunks_of_any_size(make_run, monkeypatch):
    run = make_run()
    predicted = run.probabilities.argmax(axis=1)
    whole = bootstrap(run.truth, predicted, None, 4, "single_label", seed=3)
    monkeypatch.setattr(intervals, "_CELLS_AT_ONCE", 100)
    assert bootstrap(run.truth, predicted, None, 4, "single_label", seed=3) == whole
    assert bootstrap(run.truth, predicted, None, 4, "single_label", seed=4) != whole


def test_an_interval_the_wrong_way_round_is_refused():
    with pytest.raises(ValueError, match="from 1 to 0"):
        Interval(1, 0)
