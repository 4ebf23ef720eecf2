"""The documents that are sent: a sample that is like the whole in length, and long ones."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.scoring import PRETRAINED
from docsort.core.pretrained import locate
from docsort.core.tokens import DocumentTokenizer
from docsort.data.library_docs import build_library_docs

# Peers cut at 512 tokens, two of them special: up to here all systems read all of a document.
LONG_TOKENS = (380, 510)
SEED = 1


@dataclass(frozen=True)
class Documents:
    """Texts in the order in which they are sent, and the word pieces of each."""

    name: str
    texts: tuple[str, ...]
    tokens: tuple[int, ...]

    @property
    def mean_tokens(self) -> float:
        return sum(self.tokens) / len(self.tokens)


def read_documents(file: Path | None, num: int, num_long: int) -> tuple[Documents, Documents]:
    """The mixed and the long documents of a csv's column ``text``, or of library_docs."""
    texts = (pd.read_csv(file) if file else build_library_docs())["text"].tolist()
    tokenizer = DocumentTokenizer.load(locate(PRETRAINED))
    tokens = [len(ids) for ids in tokenizer.encode(texts)]
    chosen = spread(tokens, num)
    mixed = Documents("mixed", *_pick(texts, tokens, chosen))
    joined = join(texts, tokens, num_long)
    counts = tuple(len(ids) for ids in tokenizer.encode(joined))
    return mixed, Documents("long", tuple(joined), counts)


def spread(tokens: Sequence[int], num: int) -> list[int]:
    """Indices of every n-th document by length, in a seeded random order.

    A few seconds see few documents, and lengths differ much: a random sample would favour the
    system that happens to meet the shorter ones.
    """
    by_length = sorted(range(len(tokens)), key=lambda i: (tokens[i], i))
    num = min(num, len(by_length))
    chosen = [by_length[int((i + 0.5) * len(by_length) / num)] for i in range(num)]
    random.Random(SEED).shuffle(chosen)
    return chosen


def join(texts: Sequence[str], tokens: Sequence[int], num: int) -> list[str]:
    """Texts in a seeded random order, joined to documents of LONG_TOKENS."""
    order = list(range(len(texts)))
    random.Random(SEED).shuffle(order)
    least, most = LONG_TOKENS
    joined: list[str] = []
    parts: list[str] = []
    size = 0
    for index in order:
        if size + tokens[index] > most:
            continue
        parts.append(texts[index])
        size += tokens[index]
        if size >= least:
            joined.append("\n".join(parts))
            parts, size = [], 0
        if len(joined) == num:
            break
    return joined


def _pick(
    texts: Sequence[str], tokens: Sequence[int], chosen: Sequence[int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    return tuple(texts[i] for i in chosen), tuple(tokens[i] for i in chosen)
