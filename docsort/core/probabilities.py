"""Logits to probabilities, and probabilities to a decision: the only softmax and sigmoid.

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


def decide(
    probabilities_C: np.ndarray, task: Task, thresholds: Sequence[float] | None = None
) -> list[int]:
    """Classes that one document is given, highest probability first.

    Single-label: always one. Multi-label: those at or over their thresholds (0.5 where none were
    tuned), perhaps none.
    """
    order = np.argsort(-probabilities_C, kind="stable")
    if task == "single_label":
        return [int(order[0])]
    limits = thresholds or [DEFAULT_THRESHOLD] * len(probabilities_C)
    return [int(c) for c in order if probabilities_C[c] >= limits[c]]
