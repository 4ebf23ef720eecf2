"""Validation loss at its best temperature: what chooses the checkpoint and ends training early.

Macro-F1 was tried first: a rare label has a handful of validation documents, so one of them moves
it by points, and twice on R8 it kept the second of four epochs while the loss still fell. The loss
uses every document and how sure the model was of it; but a model that has merely grown too sure of
itself looks worse by it, although the bundle's temperature mends just that. So it is taken at the
temperature that suits this validation best ("refine, then calibrate", Berta et al. 2025,
arXiv:2501.19195).

Shapes: D documents, C classes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from docsort.core.probabilities import Task

REFINED_LOSS = "val/refined_loss"
# from 1/20 to 20, neighbours a tenth apart: the loss is flat about its minimum
TEMPERATURES = torch.logspace(-1.3, 1.3, 64)


class RefinedLoss(Metric):
    """Mean log loss of all documents since the last reset, at the best of TEMPERATURES."""

    full_state_update = False
    logits: list[torch.Tensor]
    targets: list[torch.Tensor]

    def __init__(self, task: Task, **options: Any) -> None:
        super().__init__(**options)
        self._task = task
        self.add_state("logits", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, logits_DC: torch.Tensor, targets: torch.Tensor) -> None:
        """``targets``: int64 (D,), or bool (D, C) where documents have several labels."""
        self.logits.append(logits_DC.detach())
        self.targets.append(targets)

    def compute(self) -> torch.Tensor:
        logits_DC, targets = dim_zero_cat(self.logits).double(), dim_zero_cat(self.targets)
        losses = [self._loss(logits_DC / temperature, targets) for temperature in TEMPERATURES]
        return torch.stack(losses).min().float()

    def _loss(self, logits_DC: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self._task == "single_label":
            return F.cross_entropy(logits_DC, targets)
        return F.binary_cross_entropy_with_logits(logits_DC, targets.double())
