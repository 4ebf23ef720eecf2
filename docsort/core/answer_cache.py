"""Answers given before, by a document's exact text; bounded, for one version of one model.

It holds hashes of documents, never their text. Knows neither how answers come about nor HTTP.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from docsort.core.scorer import Prediction

# Set for a worker by whoever starts it: how many answers it may keep.
SIZE_VARIABLE = "DOCSORT_ANSWER_CACHE"


class AnswerCache:
    """The answers asked for last, at most ``size`` of them; with 0, none."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: OrderedDict[bytes, Prediction] = OrderedDict()

    def find(self, texts: Sequence[str]) -> list[Prediction | None]:
        """One a text: its answer, if it is kept."""
        if not self._size:
            return [None] * len(texts)
        return [self._find(_key(text)) for text in texts]

    def keep(self, text: str, answer: Prediction) -> None:
        """Keep an answer, and let go of the one that was asked for longest ago."""
        if self._size:
            # a copy: a row of the batch's probabilities would keep all of them in memory
            own = replace(answer, probabilities=answer.probabilities.copy())
            self._answers[_key(text)] = own
            if len(self._answers) > self._size:
                self._answers.popitem(last=False)

    def _find(self, key: bytes) -> Prediction | None:
        if key in self._answers:
            self._answers.move_to_end(key)
        return self._answers.get(key)


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest()
