"""Golden documents: held out, some long, none without a word, and never none at all."""

from datasets import Dataset

from docsort.commands.golden_choice import CANDIDATES, MAX_CHARACTERS, MAX_DOCUMENTS, golden_texts
from docsort.data.corpus import Corpus


def corpus_of(test: list[str]) -> Corpus:
    def split(texts: list[str]) -> Dataset:
        labels = ["a", "b"] * len(texts)
        rows = range(len(texts))
        return Dataset.from_dict({"row": rows, "text": texts, "label": labels[: len(texts)]})

    seen = split(["learned from", "learned from too"])
    return Corpus(seen, seen, split(test), ("a", "b"), "single_label", "docs", {})


def test_the_longest_and_the_first_others() -> None:
    texts = [f"text {n}" for n in range(20)]
    texts[13] = "long " * 400
    assert golden_texts(corpus_of(texts)) == [texts[13], *texts[: MAX_DOCUMENTS - 1]]


def test_few_documents_are_all_taken_once() -> None:
    assert golden_texts(corpus_of(["one", "two words", "one"])) == ["two words", "one"]


def test_what_has_no_word_proves_nothing() -> None:
    assert golden_texts(corpus_of(["?!", " ", "a word", "--"])) == ["a word"]


def test_huge_documents_are_cut_and_not_left_out() -> None:
    """A bundle without any golden document could not be archived."""
    huge = ["x y " * MAX_CHARACTERS, "z " * MAX_CHARACTERS]
    assert golden_texts(corpus_of(huge)) == [text[:MAX_CHARACTERS] for text in huge]


def test_only_the_first_are_looked_at() -> None:
    texts = ["word"] * CANDIDATES + ["longer words"]
    assert golden_texts(corpus_of(texts)) == ["word"]
