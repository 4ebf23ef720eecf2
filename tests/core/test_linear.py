"""The linear model without scikit-learn gives what scikit-learn's gives, and tells no words."""

from pathlib import Path

import numpy as np
import pytest
import torch

from docsort.core.errors import BundleError
from docsort.core.linear import LinearModel, term_hash, terms_of
from docsort.data.baseline import LinearBaseline

TEXTS = [
    "The bank raised its price, and its price again",
    "A virus in the cell of a patient",
    "The team and the player of the match",
    "Price of a share",
    "ein Gen, un gène, 一个基因",
    "match match match",
]
LABELS = ["finance", "medicine", "sport", "finance", "medicine", "sport"]
NAMES = ("finance", "medicine", "sport", "never seen")
UNSEEN = ["a price of the match", "", "nothing known", "MATCH", "it's a share-price x 7"]
# weights are kept in fp16
TOLERANCE = 2e-3


@pytest.fixture(scope="module")
def baseline() -> LinearBaseline:
    return LinearBaseline.fit(TEXTS, LABELS, NAMES, "single_label")


def test_words_and_pairs() -> None:
    assert terms_of("It's 1 Word") == ["it", "s", "1", "word", "it s", "s 1", "1 word"]
    assert terms_of(" , ") == []


def test_hashes_are_the_same_everywhere() -> None:
    assert term_hash("price") == -5666178981798760510  # b2sum -l 64
    assert term_hash("\ud800") != term_hash("price")  # a lone surrogate is no error


def test_one_label_a_document_as_scikit_learn(baseline: LinearBaseline) -> None:
    given_DC = baseline.exported().evidence(TEXTS + UNSEEN, "single_label").exp().numpy()
    expected_DC = baseline.probabilities(TEXTS + UNSEEN)
    np.testing.assert_allclose(given_DC, expected_DC, atol=TOLERANCE)


def test_several_labels_a_document_as_scikit_learn() -> None:
    labels = [[label, "sport"] if label == "finance" else [label] for label in LABELS]
    model = LinearBaseline.fit(TEXTS, labels, NAMES, "multi_label")
    given_DC = model.exported().evidence(UNSEEN, "multi_label").sigmoid().numpy()
    np.testing.assert_allclose(given_DC, model.probabilities(UNSEEN), atol=TOLERANCE)


def test_read_back_it_answers_the_same_and_holds_no_words(
    baseline: LinearBaseline, tmp_path: Path
) -> None:
    file = tmp_path / "linear.safetensors"
    model = baseline.exported()
    model.save(file)
    again = LinearModel.load(file)
    assert torch.equal(
        again.evidence(UNSEEN, "single_label"), model.evidence(UNSEEN, "single_label")
    )
    content = file.read_bytes().lower()
    assert not any(word.encode() in content for word in ("price", "virus", "match"))


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "linear.safetensors"
    file.write_bytes(content)
    with pytest.raises(BundleError, match=r"linear\.safetensors cannot be read"):
        LinearModel.load(file)


def test_parts_that_do_not_fit(baseline: LinearBaseline) -> None:
    model = baseline.exported()
    with pytest.raises(BundleError, match="do not fit"):
        LinearModel(model.hashes_F[1:], model.idf_F, model.weights_CF, model.bias_C)
