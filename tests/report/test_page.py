"""The page holds what was measured, loads nothing, and keeps untrusted text as text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from docsort.report.findings import measure
from docsort.report.model_card import BaseModel
from docsort.report.page import write_report
from tests.report.conftest import card_of, page_of

EVIL = '<script>alert("x")</script><img src=http://evil.example/a.png onerror=alert(1)>'
SECTIONS = {"automation", "trust", "labels", "confusion", "mistakes", "learning", "provenance"}
CHARTS = {
    "coverage",
    "reliability",
    "precision-recall",
    "length",
    "learning-loss",
    "learning-f1",
}


class Outline(HTMLParser):
    """Tags, attributes and text of a page as a browser's parser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data

    def having(self, name: str) -> list[str | None]:
        return [value for each, value in self.attributes if each == name]


def test_all_sections_and_charts_are_there(make_run):
    outline = Outline(page_of(make_run()))
    assert set(outline.having("id")) >= SECTIONS
    assert set(outline.having("data-chart")) == CHARTS
    ids = outline.having("id")
    assert len(ids) == len(set(ids))


def test_headlines_stand_beside_the_baseline(make_run):
    truth = np.arange(300) % 4
    ours, baseline = (np.full((300, 4), 0.1) + 0.6 * np.eye(4)[truth] for _ in range(2))
    ours[:3], baseline[:30] = np.roll(ours[:3], 1, 1), np.roll(baseline[:30], 1, 1)
    run = make_run(truth=truth, probabilities=ours, baseline_probabilities=baseline)
    text = " ".join(Outline(page_of(run)).text.split())
    assert "Accuracy 99.0%" in text
    assert "Linear baseline 90.0% +9.0 points" in text
    assert "ahead of the linear baseline" in text


def test_a_run_behind_its_baseline_says_what_to_try(make_run):
    assert "What to try next" in page_of(make_run(ahead=False))
    assert "What to try next" not in page_of(make_run())


def test_untrusted_text_stays_text(make_run):
    run = make_run(
        ahead=False,
        title=EVIL,
        labels=(EVIL, '" onmouseover="alert(1)', "{{ 7 * 7 }}", "</style>&amp;"),
        texts=[EVIL] * 300,
        config={"note": EVIL, EVIL: 1},
        provenance={"commit": EVIL},
    )
    outline = Outline(page_of(run))
    assert not {"script", "img", "iframe", "object", "link", "base", "form"} & set(outline.tags)
    assert not [name for name, _ in outline.attributes if name.startswith("on")]
    assert EVIL in outline.text
    assert "{{ 7 * 7 }}" in outline.text


@pytest.mark.parametrize("texts", ["text with http://example.org/a and https://example.org/b", "x"])
def test_nothing_is_loaded(make_run, texts):
    page = page_of(make_run(ahead=False, texts=[texts] * 300))
    outline = Outline(page)
    for name in ("src", "srcset", "data", "poster", "action", "background"):
        assert outline.having(name) == []
    # Links only to other parts of a chart.
    assert all(
        value.startswith("#") for name in ("href", "xlink:href") for value in outline.having(name)
    )
    style = page[page.index("<style>") : page.index("</style>")]
    assert "http" not in style
    assert "@import" not in style
    assert set(re.findall(r"url\((.)", page)) == {"#"}


def test_the_content_security_policy_forbids_all_but_styles(make_run):
    page = page_of(make_run())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1] == (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def test_multi_label_page(make_multi_label_run):
    outline = Outline(page_of(make_multi_label_run()))
    assert set(outline.having("data-chart")) == CHARTS
    assert "Exact match" in outline.text
    assert "threshold" in outline.text
    assert "Micro F1" in outline.text


def test_a_refit_says_whose_the_calibration_is(make_run, make_multi_label_run):
    def told(run):
        text = " ".join(Outline(page_of(run)).text.split())
        return text.partition("This is the first of two runs.")[2].partition("Its calibration")[2]

    assert told(make_run(refitted=True)).startswith(" (temperature) is the first run's.")
    given = {"refitted": True, "linear_weight": 0.5}
    several = told(make_multi_label_run(**given))
    assert several.startswith(" (temperature, the linear model's weight, thresholds) is the first")
    assert not told(make_run())


def test_a_run_with_nothing_but_scores(make_run):
    bare = dict.fromkeys(
        (
            "baseline_probabilities",
            "uncalibrated_probabilities",
            "tokens",
            "tokens_read",
            "rows",
            "train_counts",
        )
    )
    run = make_run(**bare, learning=(), config={}, provenance={}, temperature=1.0)
    outline = Outline(page_of(run))
    assert set(outline.having("data-chart")) == {"coverage", "reliability", "precision-recall"}
    assert "baseline" not in outline.text.lower()


def test_a_run_without_a_mistake(make_run):
    truth = np.arange(300) % 4
    run = make_run(truth=truth, probabilities=np.eye(4)[truth])
    text = " ".join(Outline(page_of(run)).text.split())
    assert "every document was answered rightly" in text
    assert "Accuracy 100.0% 98.7% to 100.0%" in text
    assert "too few documents" not in text
    card = card_of(run, BaseModel("tiny"))
    assert "| accuracy | 100.0% | 98.7% to 100.0% |" in card
    assert "| weighted F1 | 100.0% | – |" in card


def test_one_document_puts_nobody_ahead(make_run):
    one = dict.fromkeys(("uncalibrated_probabilities", "tokens", "tokens_read", "rows"))
    run = make_run(
        **one,
        truth=np.array([0]),
        probabilities=np.eye(4)[[0]],
        baseline_probabilities=np.eye(4)[[1]],
        texts=["the only one"],
    )
    text = " ".join(Outline(page_of(run)).text.split())
    assert "Accuracy 100.0% 20.7% to 100.0%" in text
    assert "no clear difference" in text
    assert "+100.0 points Macro" in text  # and no range


def test_a_label_that_no_test_document_has(make_run):
    run = make_run()
    truth = np.where(run.truth == 3, 0, run.truth)
    probabilities = np.full((300, 4), 0.0) + np.eye(4)[truth]
    assert "none to test on" in page_of(make_run(truth=truth, probabilities=probabilities))


@pytest.mark.parametrize(("num_labels", "size"), [(2, "roomy"), (22, "snug"), (77, "tiny")])
def test_matrix_of_few_and_many_labels(make_run, num_labels, size):
    page = page_of(make_run(num_labels=num_labels))
    matrix = page[page.index('id="confusion-matrix"') : page.index('id="mistakes"')]
    matrix = matrix[: matrix.index("</table>")]
    assert f'<table class="matrix {size}" id="confusion-matrix"' in page
    assert matrix.count("<td") == num_labels**2


def test_leaked_documents_are_told(make_run):
    leaked = np.arange(300) < 4
    text = " ".join(Outline(page_of(make_run(leaked=leaked))).text.split())
    assert "4 of the test documents stand in the training documents too." in text
    assert "Without them: accuracy" in text


def test_a_wholly_leaked_test_file_proves_nothing(make_run):
    run = make_run(leaked=np.ones(300, bool))
    for told in (Outline(page_of(run)).text, card_of(run, BaseModel("tiny"))):
        text = " ".join(told.split())
        assert "300 of the test documents stand" in text or "300 test documents stand" in text
        assert "None is left to test on" in text
        assert "Without them" not in text


def test_the_same_results_give_the_same_bytes(make_run, tmp_path):
    for name in ("one", "two"):
        write_report(tmp_path / name, run := make_run(), measure(run))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_settings_are_written_flat(make_run):
    page = page_of(make_run(config={"model": {"optimizer": {"lr": 1e-4}}, "seed": 3}))
    assert "model.optimizer.lr" in page
    assert "0.0001" in page
