"""The model card says what was measured, and keeps labels from becoming markup."""

import re

import numpy as np
import pytest

from docsort.report.findings import measure
from docsort.report.model_card import BaseModel
from docsort.report.results import LearningPoint
from tests.report.conftest import card_of, page_of

BASE = BaseModel("all-MiniLM-L6-v2", "Apache-2.0")


def test_card_says_what_was_measured(make_run):
    truth = np.arange(300) % 4
    scores = np.full((300, 4), 0.1) + 0.6 * np.eye(4)[truth]
    scores[:30] = np.roll(scores[:30], 1, axis=1)
    card = card_of(make_run(truth=truth, probabilities=scores), BASE)
    assert card.startswith("---\nlibrary_name: docsort\n")
    assert card.endswith("|\n")
    assert "| accuracy | 90.0% |" in card
    assert "400 training documents, 100 to 100 per label; 300 test documents." in card
    assert "all-MiniLM-L6-v2: Apache-2.0." in card
    assert "| commit | abc123 |" in card
    assert f"| data.train | {'f' * 64} |" in card
    headings = [line[3:] for line in card.splitlines() if line.startswith("## ")]
    assert headings == [
        "Intended use",
        "Labels",
        "Data",
        "Measured",
        "Limits",
        "Licence of the base model",
        "Provenance",
    ]


def test_card_and_report_say_that_a_linear_model_has_its_share(make_run):
    for weight, said in ((0.0, False), (1.5, True)):
        run = make_run(linear_weight=weight)
        assert ("together with a linear model of words" in card_of(run, BASE)) is said
        assert ("a weight of 0.75" in page_of(run)) is said  # 1.5 at a temperature of 2


def test_tables_are_whole(make_run, make_multi_label_run):
    for run in (make_run(), make_multi_label_run(), make_run(baseline_probabilities=None)):
        tables = [block for block in card_of(run, BASE).split("\n\n") if block.startswith("|")]
        assert len(tables) == 3
        for table in tables:
            assert len({line.count("|") for line in table.splitlines()}) == 1


def test_limits_follow_from_what_was_measured(make_run):
    behind = card_of(make_run(ahead=False), BASE)
    assert "behind the linear model" in behind
    assert "read only in part" in behind
    ahead = card_of(make_run(), BASE)
    assert "behind the linear model" not in ahead


def test_limits_name_the_weakest_labels(make_run):
    labels = 14
    truth = np.arange(300) % (labels - 1)  # none of the last label
    answers = truth.copy()
    for label in range(labels - 1):  # the later in the order, the weaker
        answers[np.flatnonzero(truth == label)[: 9 + label // 2]] = (label + 1) % (labels - 1)
    scores = 0.01 + 0.86 * np.eye(labels)[answers]
    run = make_run(num_labels=labels, truth=truth, probabilities=scores)
    limits = card_of(run, BASE).partition("## Limits")[2]
    named = [int(label) for label in re.findall(r"^- label (\d+): F1", limits, re.MULTILINE)]
    assert len(named) == 10
    f1 = [row.f1 for row in measure(run).classes[: labels - 1]]
    assert sorted(f1[label] for label in named) == sorted(f1)[:10]
    assert "- 4 more labels" in limits


def test_a_label_without_a_test_document_has_no_figures(make_run):
    run = make_run()
    truth = np.where(run.truth == 3, 0, run.truth)
    card = card_of(make_run(truth=truth, probabilities=np.eye(4)[truth]), BASE)
    assert "| label 3 | – | – | – | 0 |" in card
    assert "- label 3: nothing to test on." in card


def test_multi_label_card(make_multi_label_run):
    card = card_of(make_multi_label_run(), BASE)
    assert "any number of 4 labels" in card
    assert "| micro F1 |" in card
    assert "at or over its own threshold" in card
    assert "always gives some label" not in card


def test_an_unknown_licence_is_said_to_be_unknown(make_run):
    assert "Not recorded for my-encoder" in card_of(make_run(), BaseModel("my-encoder"))


def test_no_document_text_and_no_markup_from_labels(make_run):
    run = make_run(
        ahead=False,
        title="<b>run</b>",
        labels=("a|b", "<script>", "line\nbreak", "`code` [link](x)"),
        texts=["SECRET"] * 300,
        learning=(LearningPoint(1, 1, 1.0),),
    )
    card = card_of(run, BASE)
    assert "SECRET" not in card
    assert r"a\|b" in card
    assert r"\<script\>" in card
    assert "<script>" not in card
    assert "line break" in card
    assert r"\`code\` \[link\](x)" in card


@pytest.mark.parametrize("name", ["- item", "+ item"])
def test_a_label_that_begins_like_a_list_does_not_make_one(make_run, name):
    card = card_of(make_run(labels=(name, "b", "c", "d")), BASE)
    assert f"\n\\{name}, b, c, d\n" in card
