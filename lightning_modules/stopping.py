"""When training ends before its last epoch, also when that was decided before it was resumed."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from lightning_modules.choice import STANDING


class Stopping(EarlyStopping):
    """Ends after so many validations in a row that are clearly worse than the best."""

    def __init__(self, patience: int) -> None:
        super().__init__(STANDING, mode="max", patience=patience)

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Lightning's would train a run that had stopped for one more epoch
        trainer.should_stop = self.wait_count >= self.patience
