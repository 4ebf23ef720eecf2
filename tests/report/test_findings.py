"""What is measured from a run's results, against counts made another way."""

import numpy as np
import pytest

from docsort.report.excerpts import EXCERPT_CHARACTERS
from docsort.report.findings import MAX_MISTAKES, measure
from docsort.report.metrics import document_metrics


def test_mistakes_are_the_surest_wrong_answers(make_run):
    run = make_run(ahead=False)
    found = measure(run)
    predicted = run.probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != run.truth)
    surest = wrong[np.argsort(-run.probabilities[wrong].max(axis=1))][:MAX_MISTAKES]
    assert [mistake.row for mistake in found.mistakes] == (surest * 2).tolist()
    assert found.num_mistakes == len(wrong)
    first = found.mistakes[0]
    assert first.excerpt == f"text of document {surest[0]}"
    assert first.true == (run.labels[run.truth[surest[0]]],)
    assert first.predicted == (run.labels[predicted[surest[0]]],)
    assert first.score == pytest.approx(run.probabilities[surest[0]].max())


def test_multi_label_mistakes_weigh_missed_and_wrongly_given_labels(make_run):
    truth = np.array([[1, 0], [1, 0], [0, 0]], dtype=bool)
    scores = np.array([[0.02, 0.1], [0.9, 0.8], [0.1, 0.2]])
    run = make_run(
        task="multi_label",
        labels=("a", "b"),
        truth=truth,
        probabilities=scores,
        uncalibrated_probabilities=None,
        baseline_probabilities=None,
        texts=["missed", "too many", "right"],
        tokens=None,
        tokens_read=None,
        rows=None,
        train_counts=None,
    )
    found = measure(run)
    assert [each.excerpt for each in found.mistakes] == ["missed", "too many"]
    assert [each.true for each in found.mistakes] == [("a",), ("a",)]
    assert [each.predicted for each in found.mistakes] == [(), ("a", "b")]
    assert [each.score for each in found.mistakes] == pytest.approx([0.98, 0.8])
    assert found.mistakes[0].row is None
    assert found.num_mistakes == 2


def test_only_the_texts_of_mistakes_are_read(make_run):
    read = set()

    class Texts(list):
        def __getitem__(self, index):
            read.add(index)
            return "text"

    texts = Texts([""] * 300)
    found = measure(make_run(ahead=False, texts=texts))
    assert len(read) == len(found.mistakes) == MAX_MISTAKES


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("  two\n\n words\t", "two words"),
        ("x" * EXCERPT_CHARACTERS, "x" * EXCERPT_CHARACTERS),
        ("x" * (EXCERPT_CHARACTERS + 1), "x" * EXCERPT_CHARACTERS + " …"),
        ("short" + " " * 10_000 + "end", "short …"),
    ],
)
def test_excerpts(make_run, text, excerpt):
    found = measure(make_run(ahead=False, texts=[text] * 300))
    assert found.mistakes[0].excerpt == excerpt


def test_metrics_without_leaked_documents(make_run):
    leaked = np.arange(300) < 50
    run = make_run(ahead=False, leaked=leaked)
    found = measure(run)
    expected = document_metrics(run.truth[50:], run.probabilities[50:], run.task)
    assert found.num_leaked == 50
    assert found.without_leaked == expected
    assert measure(make_run(leaked=np.zeros(300, bool))).without_leaked is None


def test_largest_confusions_first(make_run):
    run = make_run(ahead=False)
    found = measure(run)
    predicted = run.probabilities.argmax(axis=1)
    first = found.confusions[0]
    true, given = run.labels.index(first.true), run.labels.index(first.predicted)
    assert first.documents == ((run.truth == true) & (predicted == given)).sum()
    assert first.share == first.documents / (run.truth == true).sum()
    counts = [each.documents for each in found.confusions]
    assert counts == sorted(counts, reverse=True)
    assert all(each.true != each.predicted for each in found.confusions)


def test_documents_read_in_part_are_counted(make_run):
    run = make_run()
    assert measure(run).num_read_in_part == (run.tokens > 480).sum() > 0


def test_what_was_not_given_is_not_measured(make_run):
    run = make_run(
        baseline_probabilities=None, uncalibrated_probabilities=None, tokens=None, tokens_read=None
    )
    found = measure(run)
    assert found.baseline_metrics is None
    assert found.baseline_classes is None
    assert found.raw_reliability is None
    assert found.num_read_in_part is None
    assert found.lengths == ()
    assert found.intervals.lead == {}
    assert not found.behind_baseline
