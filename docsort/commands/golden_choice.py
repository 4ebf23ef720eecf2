"""Which documents prove a bundle elsewhere: a few held-out ones, of one window and of several."""

from collections.abc import Callable

from docsort.data.corpus import Corpus

MAX_DOCUMENTS = 8
# Proofs stay quick, and archives small.
MAX_CHARACTERS = 20_000
CANDIDATES = 500


def golden_texts(corpus: Corpus, fits: Callable[[str], bool] = lambda _: True) -> list[str]:
    """The longest of the first test documents, cut to MAX_CHARACTERS, then the first others.

    Only of those that ``fits`` is true of. Texts without a letter or digit prove nothing, and may
    not even have a token.
    """
    candidates = dict.fromkeys(
        text[:MAX_CHARACTERS]
        for text in corpus.test[:CANDIDATES]["text"]
        if any(map(str.isalnum, text[:MAX_CHARACTERS])) and fits(text[:MAX_CHARACTERS])
    )
    longest = max(candidates, key=len, default=None)
    others = [text for text in candidates if text != longest]
    return [longest, *others[: MAX_DOCUMENTS - 1]] if longest is not None else []
