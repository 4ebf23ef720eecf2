"""Which validation's weights a run keeps: the last that is as good as the best. Saves nothing.

A rare label has a handful of validation documents, so one document moves macro-F1 by points, and
its maximum is often an early epoch's luck: on R8 the second of four epochs won, before the
learning rate had fallen. So a validation counts as one of the best when its macro-F1 lies within
one standard error of the highest so far (one-standard-error rule, Breiman et al. 1984, 3.4.3). Of
those the last is kept: it has learned with the lowest rates. The standard error is a bootstrap's
over the confusion matrix.
"""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torchmetrics.classification import MulticlassConfusionMatrix, MultilabelConfusionMatrix

MACRO_F1 = "val/macro_f1"
MACRO_F1_ERROR = "val/macro_f1_error"
# the number of this validation where it is one of the best, -1 where it is not: the highest is kept
STANDING = "val/standing"
NUM_RESAMPLES = 200
_SEED = 0
# named one by one, since Lightning hangs things of its own on callbacks
_STATE = ("_num_validations", "_best", "_lowest_accepted")


class MulticlassF1Error(MulticlassConfusionMatrix):
    """Standard error of macro-F1, one label a document."""

    def compute(self) -> torch.Tensor:
        return torch.tensor(single_label_error(super().compute().cpu().numpy()))


class MultilabelF1Error(MultilabelConfusionMatrix):
    """Standard error of macro-F1, several labels a document."""

    def compute(self) -> torch.Tensor:
        return torch.tensor(multi_label_error(super().compute().cpu().numpy()))


class Choice(pl.Callback):
    """Logs each validation's standing, by which checkpoints are kept and training ends early."""

    def __init__(self) -> None:
        self._num_validations = 0
        self._best = float("-inf")
        self._lowest_accepted = float("-inf")

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        figures = trainer.callback_metrics
        standing = self.standing(float(figures[MACRO_F1]), float(figures[MACRO_F1_ERROR]))
        module.log(STANDING, float(standing))

    def standing(self, macro_f1: float, error: float) -> int:
        """The number of this validation, from 1, or -1 where an earlier one was clearly better."""
        self._num_validations += 1
        if macro_f1 > self._best:
            self._best, self._lowest_accepted = macro_f1, macro_f1 - error
        return self._num_validations if macro_f1 >= self._lowest_accepted else -1

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name in _STATE:
            setattr(self, name, state_dict[name])


def single_label_error(confusion_CC: np.ndarray) -> float:
    """Standard error of macro-F1 by resampling documents; rows are the truth, columns predicted."""
    num_labels = len(confusion_CC)
    truth, predicted = np.nonzero(confusion_CC)
    counts = confusion_CC[truth, predicted]
    rng = np.random.default_rng(_SEED)
    draws = rng.multinomial(counts.sum(), counts / counts.sum(), size=NUM_RESAMPLES)
    right = truth == predicted
    scores = []
    for draw in draws:
        hits_C = np.bincount(truth[right], weights=draw[right], minlength=num_labels)
        named_C = np.bincount(truth, weights=draw, minlength=num_labels)
        named_C += np.bincount(predicted, weights=draw, minlength=num_labels)
        # as torchmetrics: a label that is neither the truth nor predicted anywhere doesn't count
        seen = named_C > 0
        scores.append(np.mean(2 * hits_C[seen] / named_C[seen]))
    return float(np.std(scores))


def multi_label_error(confusion_C22: np.ndarray) -> float:
    """Standard error of macro-F1, each label's documents resampled independently of the others'."""
    rng = np.random.default_rng(_SEED)
    cells_C4 = confusion_C22.reshape(-1, 4)
    num_documents = int(cells_C4[0].sum())
    draws = rng.multinomial(num_documents, cells_C4 / num_documents, (NUM_RESAMPLES, len(cells_C4)))
    _, false_positive, false_negative, hits = np.moveaxis(draws, -1, 0)
    named = 2 * hits + false_positive + false_negative
    return float(np.std(np.mean(2 * hits / np.maximum(named, 1), axis=1)))
