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

from docsort.core.bundle import Manifest
from docsort.core.errors import ConfigError
from lightning_modules.callbacks import LearningCurve, Speed
from lightning_modules.checkpoints import classifier_state, manifest_of, read_weights
from lightning_modules.choice import STANDING, Choice
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.head_start import HeadStart


@dataclass(frozen=True)
class Fitted:
    """What a run leaves in memory; the module holds the chosen checkpoint's weights."""

    best_checkpoint: Path
    learning_curve: list[dict[str, float]]
    metrics: dict[str, float]
    is_first_process: bool


class TrainingRun:
    """A Trainer with its callbacks, made and checked before anything is read."""

    def __init__(
        self,
        trainer_settings: Mapping[str, Any],
        folder: Path,
        patience: int,
        resume: Path | None = None,
    ) -> None:
        """Make the Trainer.

        Args:
            trainer_settings: arguments of pytorch_lightning.Trainer.
            folder: checkpoints and logs go here.
            patience: validations in a row clearly worse than the best before training ends.
            resume: a checkpoint to go on from; new ones are written beside it.

        Raises:
            ConfigError: a trainer setting that this machine can't do.
            BundleError: ``resume`` is no checkpoint of ours.
        """
        if type(patience) is not int or patience < 1:
            raise ConfigError(f"patience={patience} is not accepted; give a number from 1 up")
        self._resume = resume
        self._resumed = manifest_of(read_weights(resume)) if resume else None
        # in the same folder, else Lightning forgets which checkpoint was the best so far
        checkpoints = resume.absolute().parent if resume else folder / "checkpoints"
        self._checkpoints = ModelCheckpoint(
            dirpath=checkpoints,
            filename="epoch{epoch:02d}-step{step}",
            auto_insert_metric_name=False,
            monitor=STANDING,
            mode="max",
        )
        # a callback of its own: save_last of the one above skips epochs that are not the best
        last = ModelCheckpoint(dirpath=checkpoints, filename="last", enable_version_counter=False)
        self._speed, self._curve = Speed(), LearningCurve()
        stopping = EarlyStopping(STANDING, mode="max", patience=patience)
        watching = [
            RichProgressBar(),
            HeadStart(),
            Choice(),  # before those that go by what it logs
            stopping,
            self._speed,
            self._curve,
        ]
        _quiet()
        self.trainer = make_trainer(trainer_settings, folder, [*watching, self._checkpoints, last])

    def fit(self, module: DocumentClassification, data: DocumentDataModule) -> Fitted:
        """Train, and load the chosen checkpoint (choice.py) back into ``module``.

        Raises:
            ConfigError: the checkpoint to go on from has other labels or windows.
        """
        self._check_resumed(module.manifest)
        self.trainer.fit(module, data, ckpt_path=str(self._resume) if self._resume else None)
        best = Path(self._checkpoints.best_model_path)
        module.classifier.load_state_dict(classifier_state(read_weights(best)))
        metrics = {**self._speed.metrics(), "train/epochs": float(self.trainer.current_epoch)}
        return Fitted(best, self._curve.rows, metrics, self.trainer.is_global_zero)

    def _check_resumed(self, manifest: Manifest) -> None:
        before = self._resumed
        for what in ("labels", "task", "window", "overlap", "max_windows", "pooling"):
            if before is not None and getattr(before, what) != getattr(manifest, what):
                raise ConfigError(
                    f"resume={self._resume}: its {what} are not this run's; go on with the data "
                    "and the model settings that it was trained with"
                )


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
