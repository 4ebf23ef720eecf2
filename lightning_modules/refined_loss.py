"""Validation loss at its best temperature: what chooses the checkpoint and ends training early.

Macro-F1 was tried first: a rare label has a handful of validation documents, so one of them moves
it by points, and twice on R8 it kept the second of four epochs while the loss still fell. The loss
uses every document and how sure the model was of it; but a model that has merely grown too sure of
itself looks worse by it, although the bundle's temperature mends just that. So it is taken at the
temperature that suits this validation best ("refine, then calibrate", Berta et al. 2025,
arXiv:2501.19195). A few documents still move it by chance, hence its standard error.

Shapes: D documents, C classes.
"""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from docsort.core.probabilities import Task

REFINED_LOSS = "val/refined_loss"
REFINED_LOSS_ERROR = "val/refined_loss_error"
# from 1/20 to 20, neighbours a tenth apart: the loss is flat about its minimum
TEMPERATURES = torch.logspace(-1.3, 1.3, 64)
# of a document's log loss, in nats: a few that are all surely right have hardly any spread
LEAST_ERROR = 1e-3
# in a mean, for its standard error to mean anything
LEAST_DOCUMENTS = 30


class Refined(NamedTuple):
    """Mean log loss of the documents, and the standard error of that mean; both fp32 ().

    The error is LEAST_ERROR at least, divided by the number of labels where a document has several.
    """

    loss: torch.Tensor
    error: torch.Tensor


@dataclass
class LeastLoss:
    """The least refined loss of the validations so far, and what is as good, give or take chance.

    That is a standard error above it at most (the rule of Breiman et al. 1984 for pruning trees).
    """

    least: float = inf
    tolerated: float = inf

    def admits(self, loss: float, error: float) -> bool:
        """Whether the next validation is as good as the best. ``error``: see `Refined`.

        After an infinite error every loss is that is a number: nothing can be told.
        """
        if loss < self.least:
            self.least, self.tolerated = loss, loss + error
        return isfinite(loss) and loss <= self.tolerated


class RefinedLoss(Metric):
    """`Refined` of all documents since the last reset, at the best of TEMPERATURES.

    With the class weights that a run learns by, if there are any: of one label a document, the mean
    is weighted by the weights of the documents' labels; of several, having a label counts so much
    against not having it. The error is then that of the weighted mean (a ratio of two means,
    linearised: Cochran 1977, 2.11).
    """

    full_state_update = False
    logits: list[torch.Tensor]
    targets: list[torch.Tensor]
    weights_C: torch.Tensor | None

    def __init__(self, task: Task, weights_C: torch.Tensor | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._task = task
        self.register_buffer("weights_C", weights_C, persistent=False)
        self.add_state("logits", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, logits_DC: torch.Tensor, targets: torch.Tensor) -> None:
        """``targets``: int64 (D,), or bool (D, C) where documents have several labels."""
        self.logits.append(logits_DC.detach())
        self.targets.append(targets)

    def compute(self) -> Refined:
        logits_DC, targets = dim_zero_cat(self.logits), dim_zero_cat(self.targets)
        losses_D = refined_losses(logits_DC, targets, self._task, self.weights_C)
        shares_D = _shares(targets, self._task, self.weights_C)
        loss = (shares_D * losses_D).mean()
        error = standard_error(shares_D * (losses_D - loss))
        least = LEAST_ERROR / (logits_DC.shape[1] if self._task == "multi_label" else 1)
        return Refined(loss.float(), error.clamp(min=least).float())


def refined_losses(
    logits_DC: torch.Tensor,
    targets: torch.Tensor,
    task: Task,
    weights_C: torch.Tensor | None = None,
) -> torch.Tensor:
    """fp64 (D,): each document's log loss at that of TEMPERATURES where their mean is least.

    ``weights_C``: see `RefinedLoss`; of one label a document only the mean is weighted.
    """
    logits_DC = logits_DC.double()
    shares_D = _shares(targets, task, weights_C)
    losses = [
        _log_losses(logits_DC / temperature, targets, task, weights_C)
        for temperature in TEMPERATURES
    ]
    return min(losses, key=lambda losses_D: float((shares_D * losses_D).mean()))


def standard_error(values_D: torch.Tensor) -> torch.Tensor:
    """Of the mean of these values, (); infinite for fewer than LEAST_DOCUMENTS.

    Their spread tells nothing of chance: two documents may by chance be much alike.
    """
    if len(values_D) < LEAST_DOCUMENTS:
        return values_D.new_tensor(inf)
    error: torch.Tensor = values_D.std() / len(values_D) ** 0.5
    return error


def _shares(targets: torch.Tensor, task: Task, weights_C: torch.Tensor | None) -> torch.Tensor:
    """fp64 (D,): how much each document counts in the mean, 1 on average."""
    if task == "multi_label" or weights_C is None:
        return torch.ones(len(targets), dtype=torch.double, device=targets.device)
    weights_D = weights_C.double()[targets]
    return weights_D / weights_D.mean()


def _log_losses(
    logits_DC: torch.Tensor, targets: torch.Tensor, task: Task, weights_C: torch.Tensor | None
) -> torch.Tensor:
    if task == "single_label":
        return F.cross_entropy(logits_DC, targets, reduction="none")
    weights_C = None if weights_C is None else weights_C.double()
    losses_DC = F.binary_cross_entropy_with_logits(
        logits_DC, targets.double(), reduction="none", pos_weight=weights_C
    )
    return losses_DC.mean(dim=1)
