"""A run that ends after a share of its schedule's steps: as much as another run has made of its."""

from typing import Any

import pytorch_lightning as pl


class EndsAfter(pl.Callback):
    """Ends after the share ``made / of`` of the steps, rounded; also when it is resumed there.

    It stands in checkpoints, which tells them from those of a run that chooses its own end.
    """

    def __init__(self, made: int, of: int) -> None:
        self._made, self._of = made, of
        self._last = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        steps = int(trainer.estimated_stepping_batches)
        self._last = max(1, round(steps * self._made / self._of))
        self._check(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        self._check(trainer)

    def state_dict(self) -> dict[str, int]:
        return {"made": self._made, "of": self._of}

    def _check(self, trainer: pl.Trainer) -> None:
        if trainer.global_step >= self._last:
            trainer.should_stop = True
