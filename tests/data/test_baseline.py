"""The linear baseline: learns, repeats itself, stays within its bounds."""

import numpy as np
import pytest

from docsort.core.errors import DataError
from docsort.data import baseline, splits
from docsort.data.baseline import LinearBaseline

TEXTS = [f"{word} number {n}" for n in range(8) for word in ("cat", "dog", "cow")]
LABELS = ["feline", "canine", "bovine"] * 8
NAMES = ("bovine", "canine", "feline")


def test_it_learns_and_gives_probabilities() -> None:
    model = LinearBaseline.fit(TEXTS, LABELS, NAMES, "single_label")
    probabilities = model.probabilities(["a dog", "a cat", "a cow"])
    assert probabilities.argmax(axis=1).tolist() == [1, 2, 0]
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert probabilities.min() > 0
    assert model.probabilities([]).shape == (0, 3)
    again = LinearBaseline.fit(TEXTS, LABELS, NAMES, "single_label")
    assert (again.probabilities(TEXTS) == model.probabilities(TEXTS)).all()


def test_multi_label() -> None:
    texts = ["cat dog", "cat", "dog", "cow"] * 5
    labels = [["canine", "feline"], ["feline"], ["canine"], []] * 5
    model = LinearBaseline.fit(texts, labels, ("animal", *NAMES[1:]), "multi_label")
    over = model.probabilities(["dog cat", "cat", "cow"]) > 0.5
    assert over.tolist() == [[False, True, True], [False, False, True], [False, False, False]]


def test_a_label_on_every_document_is_certain() -> None:
    model = LinearBaseline.fit(["a b", "c d"], [["x"], ["x"]], ("x",), "multi_label")
    assert model.probabilities(["e"]).tolist() == [[1.0]]


def test_documents_without_a_word_are_refused() -> None:
    with pytest.raises(DataError, match="no word in the 4 documents"):
        LinearBaseline.fit(["😀 !", "?", "…", ":-)"], ["a", "b"] * 2, ("a", "b"), "single_label")
    LinearBaseline.fit(["😀 !", "?", "…", "字"], ["a", "b"] * 2, ("a", "b"), "single_label")


def test_a_large_table_is_sampled_with_all_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "MAX_DOCUMENTS", 12)
    monkeypatch.setattr(splits, "MIN_SAMPLED", 2)
    texts = ["common word"] * 98 + ["strange thing"] * 2
    model = LinearBaseline.fit(texts, ["a"] * 98 + ["b"] * 2, ("a", "b"), "single_label")
    assert (model.num_given, model.num_fitted) == (100, 12)
    assert model.probabilities(["strange"]).argmax() == 1


def test_batches_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LinearBaseline.fit(TEXTS, LABELS, NAMES, "single_label")
    whole = model.probabilities(TEXTS)
    monkeypatch.setattr(baseline, "BATCH_DOCUMENTS", 5)
    assert np.array_equal(model.probabilities(TEXTS), whole)
