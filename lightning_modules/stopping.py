"""When training ends before its last epoch, also when that was decided before it was resumed."""

from dataclasses import asdict
from math import isfinite
from typing import Any

import pytorch_lightning as pl

from lightning_modules.refined_loss import REFINED_LOSS, REFINED_LOSS_ERROR, LeastLoss


class Stopping(pl.Callback):
    """Ends after so many validations in a row clearly worse than the best, or a loss not finite.

    By `LeastLoss`, as the checkpoint is chosen: a handful of validation documents, by which little
    is clear, should not end a run while its rate has yet to fall.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._worse, self._finite = 0, True
        self._least = LeastLoss()

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # else a run that had ended would be trained for one more epoch
        trainer.should_stop = self._over()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        loss = float(trainer.callback_metrics[REFINED_LOSS])
        as_good = self._least.admits(loss, float(trainer.callback_metrics[REFINED_LOSS_ERROR]))
        self._worse, self._finite = 0 if as_good else self._worse + 1, isfinite(loss)
        if trainer.strategy.reduce_boolean_decision(self._over(), all=False):
            trainer.should_stop = True

    def _over(self) -> bool:
        return self._worse >= self._patience or not self._finite

    def state_dict(self) -> dict[str, Any]:
        return {"worse": self._worse, "finite": self._finite, "least": asdict(self._least)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._worse, self._finite = state_dict["worse"], state_dict["finite"]
        self._least = LeastLoss(**state_dict["least"])
