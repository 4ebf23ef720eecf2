"""One training run: Lightning's Trainer with what watches it. Knows no files but checkpoints."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.loggers import CSVLogger

from docsort.core.errors import ConfigError
from lightning_modules.callbacks import LearningCurve, Speed
from lightning_modules.checkpoints import classifier_state, read_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.head_start import HeadStart

MONITOR = "val/macro_f1"


@dataclass(frozen=True)
class Fitted:
    """What a run leaves in memory; the module holds the best checkpoint's weights."""

    best_checkpoint: Path
    learning_curve: list[dict[str, float]]
    metrics: dict[str, float]
    is_first_process: bool


def fit(
    module: DocumentClassification,
    data: DocumentDataModule,
    trainer_settings: Mapping[str, Any],
    folder: Path,
    patience: int,
    resume: Path | None = None,
) -> Fitted:
    """Train, and load the best checkpoint by validation macro-F1 back into ``module``.

    Args:
        trainer_settings: arguments of pytorch_lightning.Trainer.
        folder: checkpoints and logs go here.
        patience: validations without a better macro-F1 before training ends.
        resume: a checkpoint to go on from; new ones are written beside it.

    Raises:
        ConfigError: a trainer setting that this machine can't do.
    """
    checkpoints = ModelCheckpoint(
        # in the same folder, else Lightning forgets which checkpoint was the best so far
        dirpath=resume.absolute().parent if resume else folder / "checkpoints",
        filename="epoch{epoch:02d}-step{step}",
        auto_insert_metric_name=False,
        monitor=MONITOR,
        mode="max",
        save_last=True,
    )
    speed, curve = Speed(), LearningCurve()
    stopping = EarlyStopping(MONITOR, mode="max", patience=patience)
    callbacks = [RichProgressBar(), HeadStart(), stopping, speed, curve, checkpoints]
    _quiet()
    trainer = make_trainer(trainer_settings, folder, callbacks)
    trainer.fit(module, data, ckpt_path=str(resume) if resume else None)
    best = Path(checkpoints.best_model_path)
    module.classifier.load_state_dict(classifier_state(read_weights(best)))
    metrics = {**speed.metrics(), "train/epochs": float(trainer.current_epoch)}
    return Fitted(best, curve.rows, metrics, trainer.is_global_zero)


def make_trainer(
    settings: Mapping[str, Any], folder: Path, callbacks: list[Callback]
) -> pl.Trainer:
    """A Trainer, deterministic where torch can be. Raises ConfigError for what it refuses."""
    if settings.get("accelerator") in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ConfigError(
            f"trainer.accelerator={settings['accelerator']}: this machine has no GPU that "
            "torch can use; accepted here: trainer=cpu"
        )
    try:
        return pl.Trainer(
            **settings,
            default_root_dir=folder,
            logger=CSVLogger(folder, name="logs", version=""),
            callbacks=callbacks,
            enable_model_summary=False,
            use_distributed_sampler=False,  # the batch sampler shares out by itself
        )
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise ConfigError(f"a trainer setting is not accepted: {error}") from error


def _quiet() -> None:
    """Keep Lightning's advertisements and advice that doesn't hold here off the terminal."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    # the collate function only lays out windows: worker processes would cost more than they spare
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # a resumed run writes beside the checkpoints that it goes on from
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty.*")
    # a small table is no mistake
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    # Lightning 2.6 with torch 2.13
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
