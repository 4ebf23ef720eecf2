"""A short run made once more, from the start, with its validation documents among the others.

Where validation takes one of eight documents a label, all eight tell clearly more than seven do
(docs/LOG.md, 2026-11-27). Nothing is left to choose by then, so the first run has chosen: how the
classification layer begins, what share of the schedule's steps is made, the calibration.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar

from docsort.core.errors import ConfigError
from lightning_modules.callbacks import Speed
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.epochs import EpochsBySize
from lightning_modules.fit import REDRAWS_A_SECOND, Fitted, RunSettings, run_trainer
from lightning_modules.head_start import HeadStart
from lightning_modules.memory import out_of_memory_as_error
from lightning_modules.resume import AUTO, CHECKPOINTS, read_stopped
from lightning_modules.snapshots import LAST, Snapshots
from lightning_modules.step_seeds import StepSeeds
from lightning_modules.stop_signals import StopSignals
from lightning_modules.trainer import make_trainer

# in a run's folder
REFIT = Path(CHECKPOINTS, "refit")


class EndsAfter(pl.Callback):
    """Ends a run after a share of its schedule's steps, also when that is resumed there."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._last = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._last = max(1, round(self._share * float(trainer.estimated_stepping_batches)))
        self._check(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        self._check(trainer)

    def _check(self, trainer: pl.Trainer) -> None:
        if trainer.global_step >= self._last:
            trainer.should_stop = True


def refit(
    trainer_settings: Mapping[str, Any],
    folder: Path,
    settings: RunSettings,
    first: Fitted,
    module: DocumentClassification,
    data: DocumentDataModule,
) -> dict[str, float]:
    """Train ``module``, as it was before the first run, on ``data``; returns flat metrics.

    In one process. It goes on from the checkpoint in ``folder`` of a refit that was stopped; who
    begins anew removes that before.

    Raises:
        ConfigError: that checkpoint is of another run, the memory ended, or training diverged.
        StorageError: the disk is full.
        StoppedError: a signal ended the run; its message says how to go on.
    """
    checkpoints = folder / REFIT
    stopped = read_stopped(checkpoints / LAST) if (checkpoints / LAST).is_file() else None
    if stopped:
        stopped.check_same(module.manifest)
    signals, speed = StopSignals(), Speed()
    by_size = [EpochsBySize()] if trainer_settings.get("max_epochs") is None else []
    go_on = f"hydra.run.dir={folder} resume={AUTO}"
    callbacks: list[Callback] = [
        RichProgressBar(refresh_rate=REDRAWS_A_SECOND),
        *by_size,
        HeadStart(decided=first.is_random),
        StepSeeds(settings.seed),
        EndsAfter(first.share),
        speed,
        Snapshots(checkpoints, settings.checkpoint_minutes, signals, go_on),
    ]
    trainer = make_trainer(trainer_settings, folder, callbacks, loggers=[], validates=False)
    with out_of_memory_as_error(data.batch_size), signals:
        run_trainer(trainer, module, data, stopped.checkpoint if stopped else None)
    if not all(torch.isfinite(weights).all() for weights in module.parameters()):
        raise ConfigError(
            "the run once more on all documents has diverged. Lower "
            f"model.optimizer.lr={module.settings.optimizer.lr:g}, or give refit_up_to=0"
        )
    documents = float(len(data.splits["train"]))
    return {"train/refit_documents": documents, "train/refit_seconds": speed.seconds}
