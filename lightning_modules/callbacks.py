"""What watches a run: speed, and the learning curve's rows. Changes nothing in the training.

Both stand in checkpoints, so that a resumed run's figures are those of the whole run.
"""

import time
from typing import Any

import pytorch_lightning as pl
import torch

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

    def and_of(self, other: "Speed") -> "Speed":
        """That of both runs."""
        both = Speed()
        both.documents = self.documents + other.documents
        both.tokens, both.seconds = self.tokens + other.tokens, self.seconds + other.seconds
        return both

    def metrics(self) -> dict[str, float]:
        seconds = max(self.seconds, 1e-9)
        return {
            "train/seconds": self.seconds,
            "train/docs_per_s": self.documents / seconds,
            "train/tokens_per_s": self.tokens / seconds,
        }


class LearningCurve(pl.Callback):
    """One row each validation: epoch, step, training loss since the last, validation figures.

    The training loss is the mean over documents, as the validation loss is; over those of the first
    process, where there are several.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._loss: torch.Tensor | float = 0.0  # on its device: reading it would wait for the step
        self._documents = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        documents = batch.windows.num_documents
        # Lightning's is that of the step divided by the batches that a step accumulates
        loss = outputs["loss"].detach().double() * trainer.accumulate_grad_batches
        self._loss = self._loss + loss * documents
        self._documents += documents

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        figures = {
            name.removeprefix("val/"): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        train_loss = float(self._loss) / max(1, self._documents)
        self._loss, self._documents = 0.0, 0
        self.rows.append(
            {
                "epoch": trainer.current_epoch + 1,
                "step": trainer.global_step,
                "train_loss": train_loss,
            }
            | {f"val_{name}": value for name, value in figures.items()}
        )

    def state_dict(self) -> dict[str, Any]:
        rows, loss = list(self.rows), float(self._loss)
        return {"rows": rows, "loss": loss, "documents": self._documents}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])
        self._loss, self._documents = state_dict["loss"], state_dict["documents"]
