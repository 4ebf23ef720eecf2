"""What watches a run: speed, and the learning curve's rows. Changes nothing in the training.

Both stand in checkpoints, so that a resumed run's figures are those of the whole run.
"""

import time
from typing import Any

import pytorch_lightning as pl

from lightning_modules.data_module import Batch


class Speed(pl.Callback):
    """Documents and real tokens a second of training, batches' making included, validation not."""

    def __init__(self) -> None:
        self.documents = self.tokens = 0
        self.seconds = 0.0
        self._since = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._since = time.perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._since = time.perf_counter()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._since = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        now = time.perf_counter()
        self.seconds += now - self._since
        self._since = now
        self.documents += batch.windows.num_documents * trainer.world_size
        self.tokens += batch.num_tokens * trainer.world_size

    def state_dict(self) -> dict[str, Any]:
        return {"documents": self.documents, "tokens": self.tokens, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.documents, self.tokens = state_dict["documents"], state_dict["tokens"]
        self.seconds = state_dict["seconds"]

    def metrics(self) -> dict[str, float]:
        seconds = max(self.seconds, 1e-9)
        return {
            "train/seconds": self.seconds,
            "train/docs_per_s": self.documents / seconds,
            "train/tokens_per_s": self.tokens / seconds,
        }


class LearningCurve(pl.Callback):
    """One row each validation: epoch, step, training loss since the last, validation figures."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._losses: list[float] = []

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        self._losses.append(float(outputs["loss"]))

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        figures = {
            name.removeprefix("val/"): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        train_loss = sum(self._losses) / max(1, len(self._losses))
        self._losses.clear()
        self.rows.append(
            {
                "epoch": trainer.current_epoch + 1,
                "step": trainer.global_step,
                "train_loss": train_loss,
            }
            | {f"val_{name}": value for name, value in figures.items()}
        )

    def state_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows), "losses": list(self._losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._losses = list(state_dict["rows"]), list(state_dict["losses"])
