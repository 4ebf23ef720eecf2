"""When training ends before its last epoch, also when that was decided before it was resumed."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from lightning_modules.refined_loss import REFINED_LOSS


class Stopping(EarlyStopping):
    """Ends after so many validations in a row without a better refined loss."""

    def __init__(self, patience: int) -> None:
        super().__init__(REFINED_LOSS, mode="min", patience=patience)

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Lightning's would train a run that had stopped for one more epoch
        trainer.should_stop = self.wait_count >= self.patience
