"""Texts that look like the wrong encoding, or another language than the rest. Sees no labels."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import ftfy

# Shorter texts say too little about their language. On R8 (telegram English) and Ohsumed a
# probability of 0.95 marks nothing; without it 4 % of R8 would pass for Nigerian Pidgin.
MIN_WORDS = 10
MIN_PROBABILITY = 0.95
MAX_CHARACTERS = 2_000  # of a text's beginning; enough to tell, and long documents stay cheap

_ALLOWED_CONTROLS = frozenset("\t\n\r\f\v")


def wrong_encoding(texts: Sequence[str]) -> list[int]:
    """Positions of texts with mojibake ("Ã©" for "é"), replacement or control characters."""
    return [at for at, text in enumerate(texts) if _is_garbled(text)]


def other_languages(texts: Sequence[str]) -> tuple[str | None, dict[int, str]]:
    """The commonest language (ISO 639 code), and positions → language of texts in another one.

    None when no text is long enough to tell.
    """
    told = {at: language for at, text in enumerate(texts) if (language := _language(text))}
    if not told:
        return None, {}
    commonest = Counter(told.values()).most_common(1)[0][0]
    return commonest, {at: language for at, language in told.items() if language != commonest}


def _is_garbled(text: str) -> bool:
    if "\ufffd" in text or any(c < " " and c not in _ALLOWED_CONTROLS for c in text):
        return True
    return ftfy.fix_encoding(text) != text


def _language(text: str) -> str | None:
    beginning = text[:MAX_CHARACTERS]
    if len(beginning.split()) < MIN_WORDS:
        return None
    language, probability = _identifier().classify(beginning)
    return str(language) if probability >= MIN_PROBABILITY else None


@cache
def _identifier() -> Any:
    # Here, not above: its model takes a second to read, which only an audit should wait for.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
