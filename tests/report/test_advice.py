"""Every hint appears when its cause was measured, and only then."""

import numpy as np
import pytest
from scipy.special import softmax

from docsort.report.advice import advise
from docsort.report.findings import measure
from docsort.report.results import LearningPoint

RISING = (
    LearningPoint(1, 10, 0.9, 0.9, 0.5),
    LearningPoint(2, 20, 0.5, 0.6, 0.6),
)
FLAT = (*RISING, LearningPoint(3, 30, 0.4, 0.6, 0.6))
HARDLY = tuple(LearningPoint(epoch, epoch, 1.37, 1.37, 0.3) for epoch in (1, 2, 3))
NAN = float("nan")
DIVERGED = (*HARDLY, LearningPoint(4, 40, NAN, NAN, 0.31))
SKIPPED = (*RISING, LearningPoint(2.5, 25, NAN), LearningPoint(3, 30, NAN, 0.6, 0.6))
BY_HEART = (*FLAT, LearningPoint(4, 40, 0.01, 1.2, 0.58))


def hints(run):
    return " ".join(f"{each.seen} {each.try_next}" for each in advise(run, measure(run)))


def test_a_run_ahead_of_its_baseline_gets_none(make_run):
    assert hints(make_run(learning=RISING)) == ""
    assert hints(make_run(ahead=False, baseline_probabilities=None)) == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"learning": RISING}, "set trainer.max_epochs to more than 2."),
        (
            {"learning": HARDLY},
            "double model.optimizer.lr, or set trainer.max_epochs to more than 3.",
        ),
        ({"learning": BY_HEART}, "learned by heart"),
        ({"learning": BY_HEART}, "set trainer.max_epochs to less than 4,"),
        ({"train_counts": (5, 9, 9, 200)}, "9 training documents or fewer"),
        ({"tokens_read": np.ones(300)}, "model.max_windows"),
    ],
)
def test_each_cause_has_its_hint(make_run, fields, said):
    quiet = {"learning": FLAT, "tokens": np.full(300, 9), "tokens_read": np.full(300, 9)}
    assert said not in hints(make_run(ahead=False, **quiet))
    assert said in hints(make_run(ahead=False, **(quiet | fields)))


def test_who_has_diverged_is_told_only_to_go_slower(make_run):
    said = hints(make_run(ahead=False, learning=DIVERGED))
    assert "Training diverged: in the end the validation loss was no number" in said
    assert "from epoch 3 or before" in said
    assert "Lower model.optimizer.lr, or give trainer.precision=32-true." in said
    for wrong in ("nan", "double", "by heart", "trainer.max_epochs"):
        assert wrong not in said
    assert "diverged" in hints(make_run(ahead=False, learning=DIVERGED[-1:]))
    full = {"trainer": {"precision": "32-true"}}
    said = hints(make_run(ahead=False, learning=DIVERGED, config=full))
    assert "Lower model.optimizer.lr." in said
    assert "trainer.precision" not in said


def test_a_skipped_step_is_no_divergence(make_run):
    said = hints(make_run(ahead=False, learning=SKIPPED))
    assert "diverged" not in said
    assert "nan" not in said


def test_labels_never_given_are_named(make_run):
    probabilities = make_run(ahead=False).probabilities.copy()
    probabilities[:, 2] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    for weights, advised in ((None, True), ("balanced", False)):
        config = {"model": {"class_weights": weights}}
        said = hints(make_run(ahead=False, probabilities=probabilities, config=config))
        assert "1 of 4 labels were never given to a document: label 2." in said
        assert ("model.class_weights=balanced" in said) is advised


def test_a_label_without_a_test_document_is_not_called_weak(make_run):
    run = make_run(ahead=False)
    truth = np.where(run.truth == 3, 0, run.truth)
    said = hints(make_run(ahead=False, truth=truth, train_counts=(9,) * 4))
    assert "first of the weakest labels: label 0 (F1" in said
    assert "label 3 (F1" not in said


def test_one_large_confusion_is_named(make_run):
    run = make_run(ahead=False)
    truth = run.truth.copy()
    predicted = run.baseline_probabilities.argmax(axis=1)
    swapped = (truth == 1) & (predicted == 1) & (np.arange(300) % 2 == 0)
    answers = np.where(swapped, 3, predicted)
    probabilities = softmax(5 * np.eye(4)[answers], axis=1)
    said = hints(make_run(ahead=False, probabilities=probabilities))
    assert "“label 1” taken for “label 3”" in said


def test_a_difference_within_chance_is_called_so(make_run):
    run = make_run()
    scores = run.baseline_probabilities.copy()
    wrong = np.flatnonzero(scores.argmax(axis=1) == run.truth)[:1]
    scores[wrong] = np.roll(scores[wrong], 1, axis=1)
    assert "may be chance" in hints(make_run(probabilities=scores))
    assert "may be chance" not in hints(make_run(ahead=False))


def test_a_certain_lead_in_macro_f1_is_not_called_chance(make_run):
    truth = np.repeat(np.arange(4), (240, 20, 20, 20))
    common = np.zeros(300, int)  # always the most frequent label: 80 % right
    balanced = np.where(np.arange(300) < 61, 1 + np.arange(300) % 3, truth)
    ours, theirs = (softmax(5 * np.eye(4)[answers], axis=1) for answers in (balanced, common))
    run = make_run(truth=truth, probabilities=ours, baseline_probabilities=theirs)
    findings = measure(run)
    assert findings.metrics["accuracy"] < findings.baseline_metrics["accuracy"]
    assert findings.intervals.lead["macro_f1"].low > 0
    assert "The linear baseline reaches 80.0% accuracy" in hints(run)
    assert "may be chance" not in hints(run)


def test_the_baseline_itself_is_always_the_last_resort(make_run):
    run = make_run(ahead=False)
    assert "don't need a BERT" in advise(run, measure(run))[-1].try_next
