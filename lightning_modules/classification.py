"""The LightningModule: loss, validation figures, optimizer. Text to logits is the core's."""

from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelExactMatch,
    MultilabelF1Score,
)

from docsort.core.bundle import Manifest
from docsort.core.classifier import DocumentClassifier
from docsort.core.pretrained import Pretrained, check_window
from docsort.core.probabilities import to_probabilities
from docsort.core.windows import DocumentWindows
from lightning_modules.checkpoints import model_files, tokenizer_files
from lightning_modules.data_module import Batch
from lightning_modules.optimizer import make_optimizer, make_schedule
from lightning_modules.refined_loss import REFINED_LOSS, REFINED_LOSS_ERROR, RefinedLoss
from lightning_modules.settings import ModelSettings

MACRO_F1 = "val/macro_f1"


class DocumentClassification(pl.LightningModule):
    """Fine-tunes a DocumentClassifier.

    Its checkpoints carry all that a bundle needs beside the weights (manifest, encoder
    configuration, tokenizer), so that one can be evaluated with nothing else at hand.
    """

    class_weights: torch.Tensor | None

    def __init__(
        self,
        pretrained: Pretrained,
        manifest: Manifest,
        settings: ModelSettings,
        class_weights: torch.Tensor | None = None,
    ) -> None:
        """``class_weights``: fp32 (C,), see class_weights.py.

        Raises:
            ConfigError: the window doesn't fit the encoder.
        """
        super().__init__()
        check_window(manifest.window, pretrained.encoder)
        self.manifest, self.settings, self.tokenizer = manifest, settings, pretrained.tokenizer
        self._tokenizer_files = tokenizer_files(pretrained.tokenizer)
        self.classifier = DocumentClassifier(
            pretrained.encoder,
            len(manifest.labels),
            manifest.pooling,
            settings.dropout,
            pretrained.tokenizer.pad_id,
        )
        self.classifier.train()  # from_pretrained leaves an encoder in eval mode, without dropout
        self.val_metrics = _val_metrics(manifest)
        self.val_refined_loss = RefinedLoss(manifest.task, class_weights)
        # not in checkpoints: setting and training documents say it
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, windows: DocumentWindows) -> torch.Tensor:
        """fp32 logits (D, C)."""
        logits_DC: torch.Tensor = self.classifier(windows)
        return logits_DC

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        loss = self.loss(self(batch.windows), batch.targets)
        self.log("train/loss", loss, prog_bar=True, batch_size=batch.windows.num_documents)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        logits_DC = self(batch.windows)
        loss = self.loss(logits_DC, batch.targets)
        num_documents = batch.windows.num_documents
        self.log("val/loss", loss, batch_size=num_documents, on_epoch=True, sync_dist=True)
        # probabilities: torchmetrics would guess from their range whether logits are meant
        probabilities_DC = to_probabilities(logits_DC, self.manifest.task)
        self.val_metrics.update(probabilities_DC, batch.targets.int())
        self.log_dict(self.val_metrics, prog_bar=True, batch_size=num_documents)
        self.val_refined_loss.update(logits_DC, batch.targets)

    def on_validation_epoch_end(self) -> None:
        refined = self.val_refined_loss.compute()
        self.val_refined_loss.reset()
        # the same in all processes already; Lightning would advise what is said here
        self.log(REFINED_LOSS, refined.loss, sync_dist=True)
        self.log(REFINED_LOSS_ERROR, refined.error, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        settings = self.settings.optimizer
        optimizer = make_optimizer(self.classifier.named_parameters(), settings)
        num_steps = int(self.trainer.estimated_stepping_batches)
        schedule = make_schedule(optimizer, num_steps, settings.warmup_share)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["docsort"] = model_files(self.manifest, self.classifier, self._tokenizer_files)

    def loss(self, logits_DC: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross entropy, of the labels or of each label, weighted, after label smoothing."""
        smoothing, weights_C = self.settings.label_smoothing, self.class_weights
        if self.manifest.task == "single_label":
            return F.cross_entropy(logits_DC, targets, weights_C, label_smoothing=smoothing)
        smoothed_DC = targets.float() * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits_DC, smoothed_DC, pos_weight=weights_C)


def _val_metrics(manifest: Manifest) -> MetricCollection:
    """For the reader; what chooses the checkpoint is the refined loss (snapshots.py)."""
    num = len(manifest.labels)
    if manifest.task == "single_label":
        return MetricCollection(
            {
                MACRO_F1: MulticlassF1Score(num),
                "val/accuracy": MulticlassAccuracy(num, average="micro"),
            }
        )
    return MetricCollection(
        {MACRO_F1: MultilabelF1Score(num), "val/accuracy": MultilabelExactMatch(num)}
    )
