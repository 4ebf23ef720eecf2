"""How long to train where trainer.max_epochs is null: it follows from how many documents there are.

A small table needs more passes to get anywhere; with thousands of documents three are enough, and
more only learn them by heart (docs/LOG.md, 2026-11-26).
"""

from math import ceil

import pytorch_lightning as pl

from lightning_modules.data_module import DocumentDataModule

MIN_EPOCHS, MAX_EPOCHS = 3, 15
# optimizer steps; a run of three epochs makes more when there are over 1,000 documents
ENOUGH_STEPS = 200


def epochs_for(steps_per_epoch: int) -> int:
    """The least that make ENOUGH_STEPS, from MIN_EPOCHS to MAX_EPOCHS."""
    return min(MAX_EPOCHS, max(MIN_EPOCHS, ceil(ENOUGH_STEPS / steps_per_epoch)))


class EpochsBySize(pl.Callback):
    """Sets and prints the number of epochs, before the schedule is made of it."""

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, DocumentDataModule)
        documents = len(data.splits["train"])
        in_a_step = data.batch_size * trainer.world_size * trainer.accumulate_grad_batches
        epochs = epochs_for(ceil(documents / in_a_step))
        trainer.fit_loop.max_epochs = epochs
        if trainer.is_global_zero:
            print(f"epochs: {epochs}, by the number of documents (trainer.max_epochs=null)")
