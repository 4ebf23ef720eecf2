"""How far a figure may be off for having been measured on these documents and not on others.

Bootstrap (Efron 1979): the test documents are drawn again, with replacement, many times. Documents
with the same truth and the same answers are interchangeable here, so a draw only counts distinct
outcomes: exact, and quick for 100,000 documents. Draws from documents that all came out alike do
not differ; of accuracy, Wilson's interval (1927) then tells more, other figures have none.

Shapes: B draws, K distinct outcomes, C classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from docsort.core.probabilities import Task
from docsort.report.metrics import Array, BoolArray, FloatArray, IntArray, as_indicators

NUM_DRAWS = 1000
_CELLS_AT_ONCE = 20_000_000  # bounds memory to about 160 MB


@dataclass(frozen=True)
class Interval:
    """95 %; low is high where the draws have no spread to tell an interval from."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"an interval from {self.low} to {self.high}")

    @property
    def is_known(self) -> bool:
        """Whether there is any spread."""
        return self.low < self.high


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of a run's figures, of each label's F1, and of its lead over the baseline.

    metrics and lead hold accuracy, macro_f1 and weighted_f1 (multi-label: micro_f1 too); lead is
    empty without a baseline. lead is paired: both systems answer the same drawn documents.
    """

    metrics: dict[str, Interval]
    class_f1: tuple[Interval, ...]
    lead: dict[str, Interval]


def bootstrap(
    truth: Array,
    predicted: Array,
    baseline_predicted: Array | None,
    num_labels: int,
    task: Task,
    seed: int = 0,
) -> Intervals:
    """Intervals from NUM_DRAWS seeded draws of the documents."""
    answers = [predicted] if baseline_predicted is None else [predicted, baseline_predicted]
    outcomes, outcome_of_document = _distinct_outcomes([truth, *answers], num_labels, task)
    sampled = [_Sampled.empty() for _ in answers]
    for draws_BK in _draws(outcome_of_document, seed):
        for system, predicted_KC in zip(sampled, outcomes[1:], strict=True):
            system.extend(draws_BK, outcomes[0], predicted_KC)
    figures = [each.figures(multi_label=truth.ndim == 2) for each in sampled]
    lead = {}
    if len(figures) == 2:
        lead = {name: _middle(figures[0][name] - figures[1][name]) for name in figures[0]}
    metrics = {name: _middle(values) for name, values in figures[0].items()}
    if not metrics["accuracy"].is_known:
        right = as_indicators(truth, num_labels, task) == as_indicators(predicted, num_labels, task)
        metrics["accuracy"] = wilson(right.all(axis=1))
    class_f1_BC = np.concatenate(sampled[0].class_f1)
    return Intervals(
        metrics,
        tuple(_middle(class_f1_BC[:, c]) for c in range(num_labels)),
        lead,
    )


def wilson(right: BoolArray) -> Interval:
    """Wilson's 95 % interval of the share that is right, of one document or more."""
    test = binomtest(int(right.sum()), len(right))
    interval = test.proportion_ci(confidence_level=0.95, method="wilson")
    return Interval(float(interval.low), float(interval.high))


@dataclass(frozen=True)
class _Sampled:
    """One system's figures, draw by draw, gathered in chunks."""

    accuracy: list[FloatArray]
    weighted: list[FloatArray]
    micro: list[FloatArray]
    class_f1: list[FloatArray]
    macro: list[FloatArray]

    @classmethod
    def empty(cls) -> "_Sampled":
        return cls([], [], [], [], [])

    def extend(self, draws_BK: FloatArray, truth_KC: BoolArray, predicted_KC: BoolArray) -> None:
        right_K = (truth_KC == predicted_KC).all(axis=1)
        self.accuracy.append(draws_BK @ right_K / draws_BK.sum(axis=1))
        hits_BC = draws_BK @ (truth_KC & predicted_KC).astype(np.float64)
        support_BC = draws_BK @ truth_KC.astype(np.float64)
        given_BC = draws_BK @ predicted_KC.astype(np.float64)
        f1_BC = _ratio(2 * hits_BC, support_BC + given_BC)
        self.class_f1.append(f1_BC)
        self.macro.append(_ratio(f1_BC.sum(axis=1), (support_BC + given_BC > 0).sum(axis=1)))
        self.weighted.append(_ratio((f1_BC * support_BC).sum(axis=1), support_BC.sum(axis=1)))
        self.micro.append(
            _ratio(2 * hits_BC.sum(axis=1), support_BC.sum(axis=1) + given_BC.sum(axis=1))
        )

    def figures(self, multi_label: bool) -> dict[str, FloatArray]:
        named = {"accuracy": self.accuracy, "macro_f1": self.macro, "weighted_f1": self.weighted}
        if multi_label:
            named["micro_f1"] = self.micro
        return {name: np.concatenate(chunks) for name, chunks in named.items()}


def _distinct_outcomes(
    columns: list[Array], num_labels: int, task: Task
) -> tuple[list[BoolArray], IntArray]:
    """Each column's indicators (K, C) for the distinct outcomes, and each document's outcome."""
    packed = [np.packbits(column, axis=1) if column.ndim == 2 else column for column in columns]
    _, first, outcome_of_document = np.unique(
        np.column_stack(packed), axis=0, return_index=True, return_inverse=True
    )
    indicators = [as_indicators(column[first], num_labels, task) for column in columns]
    return indicators, outcome_of_document.ravel()


def _draws(outcome_of_document: IntArray, seed: int) -> Iterator[FloatArray]:
    """Chunks (B, K) of how often each outcome was drawn, NUM_DRAWS rows in all."""
    generator = np.random.default_rng(seed)
    num_documents, num_outcomes = len(outcome_of_document), int(outcome_of_document.max()) + 1
    chunk_size = max(1, _CELLS_AT_ONCE // num_outcomes)
    for start in range(0, NUM_DRAWS, chunk_size):
        yield np.array(
            [
                np.bincount(
                    outcome_of_document[generator.integers(0, num_documents, num_documents)],
                    minlength=num_outcomes,
                )
                for _ in range(min(chunk_size, NUM_DRAWS - start))
            ],
            dtype=np.float64,
        )


def _ratio(over: FloatArray, under: Array) -> FloatArray:
    return np.divide(over, under, out=np.zeros_like(over, dtype=np.float64), where=under > 0)


def _middle(values: FloatArray) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return Interval(float(low), float(high))
