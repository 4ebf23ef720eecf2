"""Logits to probabilities, and probabilities to a decision: the only softmax, sigmoid and rule.

Shapes: D documents, C classes.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from docsort.core.errors import ConfigError

Task = Literal["single_label", "multi_label"]
DEFAULT_THRESHOLD = 0.5


def to_probabilities(logits_DC: torch.Tensor, task: Task, temperature: float = 1.0) -> torch.Tensor:
    """fp32 probabilities (D, C): softmax for one label a document, sigmoid for several.

    ``temperature`` > 1 flattens; it is fitted on validation (Guo et al. 2017, arXiv:1706.04599).
    """
    scaled_DC = logits_DC.float() / temperature
    if task == "single_label":
        return scaled_DC.softmax(dim=-1)
    if task == "multi_label":
        return scaled_DC.sigmoid()
    raise ConfigError(f"task {task!r} is unknown; accepted: single_label, multi_label")


def limits(num_labels: int, thresholds: Sequence[float] | None = None) -> np.ndarray:
    """Float64 (C,): the thresholds, DEFAULT_THRESHOLD where none were tuned.

    Raises:
        ValueError: not one threshold a label.
    """
    if thresholds is None:
        return np.full(num_labels, DEFAULT_THRESHOLD)
    limits_C = np.asarray(thresholds, dtype=np.float64)
    if limits_C.shape != (num_labels,):
        raise ValueError(f"thresholds have shape {limits_C.shape}; needed: {(num_labels,)}")
    return limits_C


def decisions(
    probabilities_DC: np.ndarray, task: Task, thresholds: Sequence[float] | None = None
) -> np.ndarray:
    """What each document is given: int64 (D,) classes, or bool (D, C) at or over the thresholds.

    Of equal probabilities the first class wins. Compared in float64, whatever comes: 0.7 as a
    float32 lies under 0.7, and serving and reports must not differ in it.
    """
    scores_DC = np.asarray(probabilities_DC, dtype=np.float64)
    if task == "single_label":
        best_D: np.ndarray = scores_DC.argmax(axis=1)
        return best_D
    given_DC: np.ndarray = scores_DC >= limits(scores_DC.shape[1], thresholds)
    return given_DC


def decide(
    probabilities_C: np.ndarray, task: Task, thresholds: Sequence[float] | None = None
) -> list[int]:
    """Classes that one document is given, highest probability first.

    Single-label: always one. Multi-label: any number, perhaps none. The rule is `decisions`'.
    """
    given = decisions(probabilities_C[None], task, thresholds)[0]
    if task == "single_label":
        return [int(given)]
    order = np.argsort(-probabilities_C, kind="stable")
    return [int(c) for c in order if given[c]]
