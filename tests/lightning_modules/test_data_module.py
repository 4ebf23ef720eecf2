"""Tokenised once: the cache tells content, tokenizer and windows apart, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docsort.core.pretrained import load_pretrained
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import WindowPlan
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from lightning_modules.data_module import DocumentDataModule

ROWS = [f"the {'bank' if n % 2 else 'team'} of number{n},{'ab'[n % 2]}" for n in range(40)]
Tokenise = Callable[..., list[list[int]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call of the tokenizer got."""
    calls: list[int] = []
    encode = DocumentTokenizer.encode

    def counting(self: DocumentTokenizer, texts: list[str]) -> list[list[int]]:
        calls.append(len(texts))
        return encode(self, texts)

    monkeypatch.setattr(DocumentTokenizer, "encode", counting)
    return calls


@pytest.fixture
def tokenise(tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tokenise:
    """Read a csv from disk, in a cache of the test's own; token ids of the training documents."""
    monkeypatch.setenv("DOCSORT_CACHE", str(tmp_path / "cache"))

    def tokens(
        rows: list[str] = ROWS,
        window: int = 16,
        tokenizer: DocumentTokenizer | None = None,
        seed: int = 1,
    ) -> list[list[int]]:
        file = tmp_path / "all.csv"
        file.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
        corpus = load_corpus(DataSettings(source="table", name="docs", train=str(file)), seed)
        tokenizer = tokenizer or load_pretrained(str(tiny_bert)).tokenizer
        plan = WindowPlan(window, 2, 1, tokenizer.prefix, tokenizer.suffix)
        data = DocumentDataModule(corpus, tokenizer, plan, batch_size=4, seed=1)
        data.setup("fit")
        ids: list[list[int]] = data.splits["train"]["token_ids"][:]
        return ids

    return tokens


def new(calls: list[int]) -> int:
    """Documents tokenised since the last look; a tokenizer's making takes one text by itself."""
    total = sum(size for size in calls if size > 1)
    calls.clear()
    return total


def test_the_same_table_is_tokenised_once(tokenise: Tokenise, calls: list[int]) -> None:
    first = tokenise()
    assert new(calls) == 32  # train and val
    assert tokenise() == first
    assert new(calls) == 0


def test_other_content_is_tokenised_anew(tokenise: Tokenise, calls: list[int]) -> None:
    first = tokenise()
    new(calls)
    # as many rows and characters as before
    second = tokenise(rows=[row.replace("the", "and") for row in ROWS])
    assert new(calls) == 32
    assert first != second


def test_other_windows_are_tokenised_anew(tokenise: Tokenise, calls: list[int]) -> None:
    """What lies beyond the last window is not kept."""
    assert max(map(len, tokenise())) == 4
    new(calls)
    assert max(map(len, tokenise(window=5))) == 3
    assert new(calls) == 32


def test_another_tokenizer_tokenises_anew(
    tokenise: Tokenise, calls: list[int], tiny_bert: Path, tmp_path: Path
) -> None:
    first = tokenise()
    new(calls)
    other = tmp_path / "other"
    other.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        text = (tiny_bert / file).read_text(encoding="utf-8")
        (other / file).write_text(text.replace('"bank"', '"shore"'), encoding="utf-8")
    second = tokenise(tokenizer=DocumentTokenizer.load(other))
    assert new(calls) == 32
    assert first != second


def test_another_split_is_tokenised_anew(tokenise: Tokenise, calls: list[int]) -> None:
    first = tokenise()
    new(calls)
    assert tokenise(seed=2) != first
    assert new(calls) == 32
