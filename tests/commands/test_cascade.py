"""`model.cascade`: chosen while training, kept in the bundle, told by every answer."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from docsort.commands.cascade_choice import corpus_cascade
from docsort.core.bundle import load_linear, read_bundle
from docsort.core.golden import check_golden
from docsort.core.scorer import Scorer
from docsort.data import words
from docsort.data.baseline import LinearBaseline
from tests.commands.conftest import Docsort, toy_rows, write_csv
from tests.lightning_modules.conftest import make_corpus


def test_a_run_with_a_cascade(docsort: Docsort, overrides: list[str], tmp_path: Path) -> None:
    rows = toy_rows(300, 1)
    for number in range(0, 300, 3):
        rows[number]["text"] = f"nothing that tells its label, number {number}"
    train, run = write_csv(tmp_path / "train.csv", rows), tmp_path / "run"
    data = ["data=csv", f"data.train={train}", "data.name=toy", *overrides]
    limit = "model.cascade.max_extra_error=0.1"
    status, said, error = docsort("train", *data, limit, f"hydra.run.dir={run}")
    assert status == 0, error
    bundle = read_bundle(run / "bundle")
    cascade = bundle.calibration.cascade
    assert cascade is not None
    assert f"the linear model answers {cascade.share:.0%} of the documents" in said
    card = (run / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "this adds errors on at most 10.0% of documents" in card

    table = pd.read_parquet(run / "predictions.parquet")
    by_linear = table["answered_by"] == "linear"
    assert 0 < by_linear.sum() < len(table)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test/answered_by_linear"] == by_linear.mean()
    scorer, linear = Scorer.load(run / "bundle"), load_linear(bundle)
    assert linear is not None
    texts = pd.read_csv(train)["text"][table["row"]]
    alone_DC = linear.evidence(texts.tolist(), "single_label").exp().numpy()
    np.testing.assert_array_equal(alone_DC.max(1) >= cascade.threshold, by_linear)
    given_DC = table[[f"probability/{label}" for label in scorer.labels]].to_numpy()
    np.testing.assert_allclose(given_DC[by_linear], alone_DC[by_linear], atol=1e-6)
    check_golden(
        run / "bundle", lambda some: np.stack([p.probabilities for p in scorer.score(some)])
    )


def test_too_few_documents_make_no_cascade() -> None:
    corpus = make_corpus()
    train = corpus.train
    linear = LinearBaseline.fit(train["text"][:], train["label"][:], corpus.labels, corpus.task)
    console = Console(record=True, width=200)
    assert corpus_cascade(corpus, linear.exported(), 0.001, console) is None
    assert "no cascade" in (said := console.export_text())
    assert "it takes 2995 at least" in said


def test_several_labels_a_document_are_refused(
    docsort: Docsort, overrides: list[str], tmp_path: Path
) -> None:
    rows = [{"text": f"word{i % 7} text", "label": ["a|b", "a", "b"][i % 3]} for i in range(60)]
    data = ["data=csv", f"data.train={write_csv(tmp_path / 'train.csv', rows)}"]
    data.append("data.label_separator=|")
    status, _, error = docsort("train", *data, *overrides, "model.cascade.max_extra_error=0.1")
    assert status == 2
    assert "model.cascade.max_extra_error=0.1 is for documents with one label each" in error


def test_what_is_no_share_is_refused(docsort: Docsort, overrides: list[str]) -> None:
    status, _, error = docsort("train", *overrides, "model.cascade.max_extra_error=2")
    assert status == 2
    assert "model.cascade.max_extra_error=2 is not accepted" in error


def test_long_documents_and_ones_to_learn_nothing_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cascade is chosen on fewer where they are long, and not at all by one text a label."""
    corpus = make_corpus()
    train = corpus.train
    linear = LinearBaseline.fit(train["text"][:], train["label"][:], corpus.labels, corpus.task)
    console = Console(record=True, width=200)
    monkeypatch.setattr(words, "MAX_NEAR_DUPLICATE_WORDS", words.estimated_words(train) // 2)
    assert corpus_cascade(corpus, linear.exported(), 0.001, console) is None
    sampled = int(console.export_text().split("no cascade: ")[1].split()[0])
    assert len(corpus.val) + 70 < sampled < len(corpus.val) + 90
    firsts = [train["label"][:].index(label) for label in corpus.labels]
    few = replace(corpus, train=train.select(firsts))
    assert corpus_cascade(few, linear.exported(), 0.001, console) is None
    assert "no cascade: no label has two different texts" in console.export_text()
