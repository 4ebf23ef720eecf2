"""A linear model of words beside the encoder: TF-IDF, then one logistic regression a label.

It is learned in docsort/data/baseline.py and only applied here, with neither scikit-learn nor
pickle. Words and word pairs are stored as 64-bit hashes, so that a bundle does not spell out what
its training documents said. It sees the whole document, also what lies behind the last window.

Shapes: D documents, F features, C classes.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from docsort.core.errors import BundleError
from docsort.core.probabilities import Task
from docsort.core.tensor_files import load_tensors, save_tensors

# What counts as a word: scikit-learn's default drops one-character words, and so all of a short
# Chinese text.
WORD_PATTERN = r"(?u)\b\w+\b"
_WORD = re.compile(WORD_PATTERN)


@dataclass(frozen=True)
class LinearModel:
    """Weights of hashed words and word pairs.

    Attributes:
        hashes_F: int64, `term_hash` of each feature.
        idf_F: fp32, inverse document frequencies.
        weights_CF: fp16 on disk and in memory; of features of unit length.
        bias_C: fp32.
    """

    hashes_F: np.ndarray
    idf_F: np.ndarray
    weights_CF: np.ndarray
    bias_C: np.ndarray
    _column: dict[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        num_labels, num_features = self.weights_CF.shape
        if {self.hashes_F.shape, self.idf_F.shape} != {(num_features,)} or self.bias_C.shape != (
            num_labels,
        ):
            raise BundleError("the linear model's hashes, idf, weights and biases do not fit")
        column = {term: f for f, term in enumerate(self.hashes_F.tolist())}
        object.__setattr__(self, "_column", column)

    def evidence(self, texts: Sequence[str], task: Task) -> torch.Tensor:
        """fp32 (D, C) to be added to an encoder's logits.

        Single-label: log probabilities (each label's own, divided by their sum). Multi-label: log
        odds.
        """
        odds_DC = torch.from_numpy(np.stack([self._odds(text) for text in texts]))
        if task == "multi_label":
            return odds_DC
        log_DC = torch.nn.functional.logsigmoid(odds_DC)
        return log_DC - log_DC.logsumexp(dim=1, keepdim=True)

    def _odds(self, text: str) -> np.ndarray:
        """fp32 (C,): log odds of each label."""
        counts = Counter(
            column
            for term in terms_of(text)
            if (column := self._column.get(term_hash(term))) is not None
        )
        if not counts:
            return self.bias_C
        columns = np.fromiter(counts.keys(), np.int64)
        times = np.fromiter(counts.values(), np.float32)
        values = (1 + np.log(times)) * self.idf_F[columns]
        values /= np.linalg.norm(values)
        odds_C: np.ndarray = self.weights_CF[:, columns].astype(np.float32) @ values + self.bias_C
        return odds_C

    def save(self, file: Path) -> None:
        """Write the file that ``load`` reads."""
        arrays = {
            "hashes": self.hashes_F,
            "idf": self.idf_F,
            "weights": self.weights_CF,
            "bias": self.bias_C,
        }
        save_tensors(file, {name: torch.from_numpy(array) for name, array in arrays.items()})

    @classmethod
    def load(cls, file: Path) -> "LinearModel":
        """Read a bundle's linear model. Raises BundleError."""
        try:
            tensors = {name: tensor.numpy() for name, tensor in load_tensors(file).items()}
            return cls(tensors["hashes"], tensors["idf"], tensors["weights"], tensors["bias"])
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise BundleError(f"{file} cannot be read as a linear model: {error}") from error


def terms_of(text: str) -> list[str]:
    """Words in lower case, and pairs of neighbours, as scikit-learn's TfidfVectorizer cuts them."""
    words = _WORD.findall(text.lower())
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def term_hash(term: str) -> int:
    """64 bits, signed, the same in every process and on every machine."""
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
