"""A run as one trial of a sweep: tells its validation scores, ends when it is hopeless."""

from collections.abc import Callable

import pytorch_lightning as pl

from lightning_modules.classification import MACRO_F1

# the number of a validation, from 1, and its score; whether to stop
IsHopeless = Callable[[int, float], bool]


class TrialReports(pl.Callback):
    """Reports each validation's macro-F1. Raises SystemExit in every process to stop the run."""

    def __init__(self, is_hopeless: IsHopeless, exit_status: int) -> None:
        self._is_hopeless, self._exit_status = is_hopeless, exit_status
        self._validations = 0

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        self._validations += 1
        hopeless = False
        if trainer.is_global_zero:
            score = float(trainer.callback_metrics[MACRO_F1])
            hopeless = self._is_hopeless(self._validations, score)
        if trainer.strategy.broadcast(hopeless):
            # when a further process ends with another status, Lightning kills the first
            raise SystemExit(self._exit_status if trainer.is_global_zero else 0)
