"""Literal figures worked out by hand, and agreement with scikit-learn's own report."""

import numpy as np
import pytest
from sklearn.metrics import classification_report, f1_score

from docsort.core.probabilities import decisions
from docsort.report.metrics import class_table, confusion, document_metrics

TRUTH = np.array([0, 0, 1, 2])
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2]])
MANY_TRUE = np.array([[1, 0], [1, 1], [0, 0]], dtype=bool)
MANY_SCORES = np.array([[0.9, 0.5], [0.3, 0.8], [0.1, 0.2]])


def test_single_label_figures_by_hand():
    metrics = document_metrics(TRUTH, PROBABILITIES, "single_label")
    assert metrics["accuracy"] == 0.5
    # F1: label 0 1/2, label 1 2/3, label 2 0.
    assert metrics["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert metrics["weighted_f1"] == pytest.approx((2 * 1 / 2 + 2 / 3 + 0) / 4)
    assert metrics["loss"] == pytest.approx(-np.log([0.8, 0.2, 0.8, 0.2]).mean())


def test_macro_f1_leaves_out_labels_that_never_occur():
    probabilities = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1]])
    metrics = document_metrics(np.array([0, 1]), probabilities, "single_label")
    assert metrics["macro_f1"] == 1.0


def test_multi_label_figures_by_hand():
    # At 0.5, both given to the first document; only the second to the second; none to the third.
    metrics = document_metrics(MANY_TRUE, MANY_SCORES, "multi_label")
    assert metrics["accuracy"] == metrics["subset_accuracy"] == pytest.approx(1 / 3)
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert metrics["micro_f1"] == pytest.approx(2 / 3)
    right = np.where(MANY_TRUE, MANY_SCORES, 1 - MANY_SCORES)
    assert metrics["loss"] == pytest.approx(-np.log(right).mean())


def test_samples_f1_is_one_where_no_label_is_right():
    truth = np.array([[0, 0], [1, 0], [0, 0], [1, 1]], dtype=bool)
    scores = np.array([[0.1, 0.1], [0.1, 0.1], [0.1, 0.9], [0.9, 0.1]])
    metrics = document_metrics(truth, scores, "multi_label")
    assert metrics["samples_f1"] == pytest.approx((1 + 0 + 0 + 2 / 3) / 4)


def test_multi_label_thresholds_are_reached_not_passed():
    given = decisions(MANY_SCORES, "multi_label", (0.3, 0.81))
    assert given.tolist() == [[True, False], [True, False], [False, False]]


def test_multi_label_macro_f1_without_any_label_is_zero():
    metrics = document_metrics(np.zeros((2, 2), bool), np.full((2, 2), 0.1), "multi_label")
    assert metrics["macro_f1"] == 0.0


def test_float32_probabilities_bring_no_warning():
    scores = np.random.default_rng(0).random((50, 7)).astype(np.float32)
    scores /= scores.sum(axis=1, keepdims=True)
    document_metrics(np.arange(50) % 7, scores, "single_label")


def test_class_table_is_scikit_learns_report(make_run):
    run = make_run()
    predicted = run.probabilities.argmax(axis=1)
    expected = classification_report(
        run.truth, predicted, target_names=list(run.labels), output_dict=True, zero_division=0
    )
    for row in class_table(run.truth, predicted, run.labels, run.task):
        assert row.precision == pytest.approx(expected[row.label]["precision"])
        assert row.recall == pytest.approx(expected[row.label]["recall"])
        assert row.f1 == pytest.approx(expected[row.label]["f1-score"])
        assert row.support == expected[row.label]["support"]
        assert row.predicted == (predicted == run.labels.index(row.label)).sum()


def test_multi_label_class_table_follows_each_column():
    given = decisions(MANY_SCORES, "multi_label")
    table = class_table(MANY_TRUE, given, ("a", "b"), "multi_label")
    assert [row.support for row in table] == [2, 1]
    assert [row.predicted for row in table] == [1, 2]
    assert [row.f1 for row in table] == pytest.approx(
        [f1_score(MANY_TRUE[:, c], given[:, c]) for c in range(2)]
    )


def test_confusion_has_true_labels_as_rows():
    predicted = PROBABILITIES.argmax(axis=1)
    assert confusion(TRUTH, predicted, 3, "single_label").tolist() == [
        [1, 1, 0],
        [0, 1, 0],
        [1, 0, 0],
    ]


def test_multi_label_confusion_pairs_the_missed_with_the_wrongly_given():
    true = np.array([[1, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=bool)
    given = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=bool)
    # The first document misses label 2 and is given 1; the third misses 1 and is given 2.
    assert confusion(true, given, 3, "multi_label").tolist() == [[2, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("truth", "probabilities", "task", "said"),
    [
        (TRUTH, PROBABILITIES, "ranking", "task is 'ranking'"),
        (TRUTH[:3], PROBABILITIES, "single_label", r"shape \(3,\)"),
        (TRUTH, PROBABILITIES[:, 0], "single_label", "needed: \\(documents, labels\\)"),
        (TRUTH, PROBABILITIES * 2, "single_label", "between 0 and 1"),
        (TRUTH, PROBABILITIES * np.nan, "single_label", "between 0 and 1"),
        (TRUTH, PROBABILITIES / 2, "single_label", "sum to 1"),
        (TRUTH + 1, PROBABILITIES, "single_label", "outside 0..2"),
        (TRUTH - 1, PROBABILITIES, "single_label", "outside 0..2"),
        (TRUTH * 1.0, PROBABILITIES, "single_label", "class indices"),
        (TRUTH, PROBABILITIES, "multi_label", r"needed: \(4, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(truth, probabilities, task, said):
    with pytest.raises(ValueError, match=said):
        document_metrics(truth, probabilities, task)


def test_thresholds_of_another_length_are_refused():
    with pytest.raises(ValueError, match="thresholds"):
        document_metrics(MANY_TRUE, MANY_SCORES, "multi_label", (0.5,))
