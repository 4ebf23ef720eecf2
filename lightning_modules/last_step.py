"""A run that trainer.max_steps ends is validated at that step, wherever in an epoch it lies."""

from typing import Any

import pytorch_lightning as pl


class LastStep(pl.Callback):
    """Lightning 2.6 validates at max_steps only by chance, and without it no checkpoint is chosen.

    Its loop validates before it stops when it is asked to stop, so this asks.
    """

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        if 0 <= trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True
