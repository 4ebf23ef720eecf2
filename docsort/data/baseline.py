"""The linear model that every run is measured against: TF-IDF and logistic regression.

Knows nothing of files and splits. A BERT that doesn't beat it on the same split isn't worth its
cost.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from docsort.core.errors import DataError
from docsort.core.linear import WORD_PATTERN, LinearModel, term_hash
from docsort.core.probabilities import Task
from docsort.data.labels import LabelPairs
from docsort.data.splits import sample
from docsort.data.targets import as_targets

MAX_DOCUMENTS = 20_000
MAX_FEATURES = 200_000
BATCH_DOCUMENTS = 10_000

# One-vs-rest with C=100 against scikit-learn's multinomial with C=30: 97.3 to 97.1 % on R8 and
# 65.0 to 62.4 % on Ohsumed, in a fifth of the time.
INVERSE_PENALTY = 100.0

# a label that stands on all or no documents still has log odds
LEAST_SHARE = 1e-4

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinearBaseline:
    """A fitted baseline: one logistic regression a label (None: it stood on all or no documents).

    ``num_fitted`` of ``num_given`` documents were learned from; less on big tables, and a report
    should say so.
    """

    vectorizer: TfidfVectorizer
    classifiers: tuple[LogisticRegression | None, ...]
    constants: tuple[float, ...]
    task: Task
    num_given: int
    num_fitted: int

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[str] | Sequence[Sequence[str]],
        label_names: Sequence[str],
        task: Task,
    ) -> Self:
        """``labels`` holds a name a document, or a list of names for multi_label.

        Raises DataError: no text has a word.
        """
        truth_DC = _indicators(labels, tuple(label_names), task)
        num_given = len(truth_DC)
        document_P, code_P = np.nonzero(truth_DC)
        pairs = LabelPairs(document_P, code_P, tuple(label_names), num_given)
        chosen = sample(pairs, MAX_DOCUMENTS, seed=0)
        truth_DC = truth_DC[chosen]
        learned = [texts[place] for place in chosen.tolist()]
        if not any(re.search(WORD_PATTERN, text) for text in learned):
            raise DataError(
                f"There is no word in the {len(learned)} documents to learn from: no letter and no "
                "digit of any alphabet. Is data.text_column the right column? Give documents of "
                "which some have words."
            )
        vectorizer = TfidfVectorizer(
            ngram_range=(1, 2),
            sublinear_tf=True,
            max_features=MAX_FEATURES,
            token_pattern=WORD_PATTERN,
            dtype=np.float64,
        )
        features = vectorizer.fit_transform(learned)
        # liblinear's vectors are too short for BLAS threads: on two busy cores they made it 7 times
        # slower.
        with threadpool_limits(1):
            classifiers = tuple(
                LogisticRegression(C=INVERSE_PENALTY, solver="liblinear").fit(features, truth_D)
                if truth_D.any() and not truth_D.all()
                else None
                for truth_D in truth_DC.T
            )
        constants = tuple(truth_DC.mean(axis=0).tolist())
        return cls(vectorizer, classifiers, constants, task, num_given, len(chosen))

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """(D, C), in the order of ``label_names``; rows sum to 1 for single_label."""
        parts = [
            self._batch(texts[start : start + BATCH_DOCUMENTS])
            for start in range(0, len(texts), BATCH_DOCUMENTS)
        ]
        return np.concatenate([np.empty((0, len(self.classifiers))), *parts])

    def exported(self) -> LinearModel:
        """The same model as the core applies it; weights in fp16."""
        terms = self.vectorizer.get_feature_names_out()
        weights_CF = np.zeros((len(self.classifiers), len(terms)), dtype=np.float16)
        constants_C = np.clip(self.constants, LEAST_SHARE, 1 - LEAST_SHARE)
        bias_C = np.log(constants_C / (1 - constants_C))
        for c, classifier in enumerate(self.classifiers):
            if classifier is not None:
                weights_CF[c], bias_C[c] = classifier.coef_[0], classifier.intercept_[0]
        return LinearModel(
            np.array([term_hash(term) for term in terms], dtype=np.int64),
            self.vectorizer.idf_.astype(np.float32),
            weights_CF,
            bias_C.astype(np.float32),
        )

    def _batch(self, texts: Sequence[str]) -> Floats:
        features = self.vectorizer.transform(texts)
        columns = [
            np.full(len(texts), constant)
            if classifier is None
            else classifier.predict_proba(features)[:, 1]
            for classifier, constant in zip(self.classifiers, self.constants, strict=True)
        ]
        probabilities_DC: Floats = np.stack(columns, axis=1)
        if self.task == "single_label":
            probabilities_DC /= probabilities_DC.sum(axis=1, keepdims=True)
        return probabilities_DC


def _indicators(
    labels: Sequence[str] | Sequence[Sequence[str]], names: tuple[str, ...], task: Task
) -> npt.NDArray[np.bool_]:
    """(D, C): document d carries label c."""
    # [:] makes a Dataset's column a list at once; row by row a million of them take a minute
    targets = as_targets(labels[:], names, task)
    if targets.ndim == 1:
        targets = targets[:, None] == np.arange(len(names))
    truth_DC: npt.NDArray[np.bool_] = targets.astype(np.bool_)
    return truth_DC
