"""What a run measured, as the report needs it; checks that the pieces fit, computes nothing.

Shapes: D test documents, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from docsort.core.bundle import Cascade
from docsort.core.probabilities import Task
from docsort.report.metrics import Array, checked


@dataclass(frozen=True)
class LearningPoint:
    """Losses and validation macro F1 at one moment of training; None where not measured there."""

    epoch: float
    step: int
    train_loss: float | None = None
    val_loss: float | None = None
    val_macro_f1: float | None = None


@dataclass(frozen=True)
class RunResults:
    """One run on its test documents.

    truth: int (D,) class indices, or bool (D, C) for multi_label.
    probabilities: (D, C) in [0, 1], as served: after temperature scaling.
    texts: D documents, indexed only for the few mistakes shown, so a lazy column will do.
    uncalibrated_probabilities: (D, C), the same at temperature 1; None: nothing was calibrated.
    linear_weight: what the linear model's evidence in the scores counts; 0: the encoder alone.
    cascade: which documents the linear model answered alone; None: none of them.
    thresholds, baseline_thresholds: one per label, multi_label only; None means the default.
    tokens, tokens_read: int (D,), each document's length and what of it was read.
    rows: int (D,), 0-based rows of the source file, to find a mistake again.
    leaked: bool (D,), test documents that stand in the training documents too, or whose group does.
    train_counts: training documents per label.
    refitted: whether the model was trained once more with the validation documents among those,
        after the run whose learning is shown and whose calibration it has.
    config: the resolved configuration, nested; provenance: versions, hashes, commit, flat.

    Raises ValueError when shapes, lengths or ranges don't fit.
    """

    title: str
    task: Task
    labels: tuple[str, ...]
    truth: Array
    probabilities: Array
    texts: Sequence[str]
    baseline_probabilities: Array | None = None
    uncalibrated_probabilities: Array | None = None
    temperature: float = 1.0
    linear_weight: float = 0.0
    cascade: Cascade | None = None
    thresholds: tuple[float, ...] | None = None
    baseline_thresholds: tuple[float, ...] | None = None
    tokens: Array | None = None
    tokens_read: Array | None = None
    rows: Array | None = None
    leaked: Array | None = None
    train_counts: tuple[int, ...] | None = None
    refitted: bool = False
    learning: tuple[LearningPoint, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_scores()
        self._check_lengths()
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; needed: above 0")

    @property
    def num_documents(self) -> int:
        """Test documents."""
        return len(self.probabilities)

    def _check_scores(self) -> None:
        optional = (self.baseline_probabilities, self.uncalibrated_probabilities)
        for scores in (self.probabilities, *(each for each in optional if each is not None)):
            checked(self.truth, scores, self.task)
            if scores.shape[1] != len(self.labels):
                raise ValueError(
                    f"probabilities have {scores.shape[1]} columns for {len(self.labels)} labels"
                )
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels hold a name twice")

    def _check_lengths(self) -> None:
        for name in ("texts", "tokens", "tokens_read", "rows", "leaked"):
            self._check_length(name, self.num_documents)
        for name in ("thresholds", "baseline_thresholds", "train_counts"):
            self._check_length(name, len(self.labels))
        if self.tokens is None or self.tokens_read is None:
            return
        if np.any(self.tokens_read > self.tokens):
            raise ValueError("tokens_read is above tokens for some document")

    def _check_length(self, name: str, wanted: int) -> None:
        value = getattr(self, name)
        if value is not None and len(value) != wanted:
            raise ValueError(f"{name} has {len(value)} entries; needed: {wanted}")
