"""One training run: Lightning's Trainer with what watches it. Knows no files but checkpoints."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar

from docsort.core.bundle import Manifest
from docsort.core.errors import ConfigError, StoppedError
from docsort.core.linear import LinearModel
from docsort.data.seed import check_seed
from lightning_modules.callbacks import LearningCurve, Speed
from lightning_modules.checkpoints import classifier_state, read_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.epochs import EpochsBySize
from lightning_modules.head_start import HeadStart
from lightning_modules.last_step import LastStep
from lightning_modules.loggers import LoggerSettings, RunLogger, make_loggers
from lightning_modules.memory import out_of_memory_as_error
from lightning_modules.processes import group_ends_with_block
from lightning_modules.refined_loss import REFINED_LOSS, REFINED_LOSS_ERROR
from lightning_modules.resume import AUTO, CHECKPOINTS, read_stopped
from lightning_modules.snapshots import LAST, BestCheckpoint, Snapshots
from lightning_modules.step_seeds import StepSeeds
from lightning_modules.stop_signals import StopSignals
from lightning_modules.stopping import Stopping
from lightning_modules.trainer import make_trainer

REDRAWS_A_SECOND = 4  # Lightning 2.6's 100 slow short steps


@dataclass(frozen=True)
class RunSettings:
    """How a run begins, ends and is kept.

    Attributes:
        seed: of dropout and whatever else a step draws.
        patience: validations in a row clearly worse than the best before training ends.
        checkpoint_minutes: between checkpoints within an epoch; every epoch ends with one.
        refit_up_to: documents, val among them, up to which a run is made once more (refit.py).
        logger: what gets the run's figures beside its csv.
    """

    seed: int
    patience: int = 3
    checkpoint_minutes: float = 5.0
    refit_up_to: int = 1000
    logger: LoggerSettings = field(default_factory=LoggerSettings)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if type(self.patience) is not int or self.patience < 1:
            raise ConfigError(f"patience={self.patience} is not accepted; give a number from 1 up")
        minutes = self.checkpoint_minutes
        if type(minutes) not in (int, float) or not minutes >= 0:
            raise ConfigError(
                f"checkpoint_minutes={minutes} is not accepted; give a number from 0 up"
            )
        if type(self.refit_up_to) is not int or self.refit_up_to < 0:
            raise ConfigError(
                f"refit_up_to={self.refit_up_to} is not accepted; give a number of documents, or 0 "
                "for never"
            )


@dataclass(frozen=True)
class Fitted:
    """What a run leaves in memory; the first process's module holds the best weights.

    ``share``: of the schedule's steps, how many the best checkpoint had made. ``is_random``:
    whether the classification layer began random.
    """

    best_checkpoint: Path
    share: float
    is_random: bool
    learning_curve: list[dict[str, float]]
    metrics: dict[str, float]


class TrainingRun:
    """A Trainer with its callbacks, made and checked before anything is read."""

    def __init__(
        self,
        trainer_settings: Mapping[str, Any],
        folder: Path,
        settings: RunSettings,
        resume: Path | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Make the Trainer.

        Args:
            trainer_settings: arguments of pytorch_lightning.Trainer.
            folder: checkpoints and logs go here.
            settings: see there.
            resume: a checkpoint to go on from; new ones are written beside it.
            callbacks: what else watches the run.

        Raises:
            ConfigError: a trainer setting or a logger that this machine can't do.
            BundleError: ``resume`` is no checkpoint of ours.
        """
        self._resumed = read_stopped(resume) if resume else None
        own = folder / CHECKPOINTS
        checkpoints = resume.absolute().parent if resume else own
        go_on = f"hydra.run.dir={folder} resume={AUTO}"
        if checkpoints != own.absolute():
            go_on = f"resume={checkpoints / LAST}"
        self._signals = StopSignals()
        self._best = BestCheckpoint(checkpoints, REFINED_LOSS, REFINED_LOSS_ERROR)
        self._speed, self._curve, self._head_start = Speed(), LearningCurve(), HeadStart()
        by_size = [EpochsBySize()] if trainer_settings.get("max_epochs") is None else []
        all_callbacks = [
            RichProgressBar(refresh_rate=REDRAWS_A_SECOND),
            *by_size,
            self._head_start,
            StepSeeds(settings.seed),
            Stopping(settings.patience),
            self._speed,
            self._curve,
            LastStep(),
            *callbacks,
            self._best,
            # the last, so that what all others know stands in it
            Snapshots(checkpoints, settings.checkpoint_minutes, self._signals, go_on),
        ]
        from_step = self._resumed.step if self._resumed else 0
        loggers = make_loggers(settings.logger, folder, from_step)
        self._logger_kind = settings.logger.kind
        self._run_loggers = [each for each in loggers if isinstance(each, RunLogger)]
        self.trainer = make_trainer(trainer_settings, folder, all_callbacks, loggers)
        self.is_first_process = self.trainer.is_global_zero

    def check_resumed(self, manifest: Manifest) -> None:
        """Raises ConfigError when the checkpoint to go on from is of another run."""
        if self._resumed:
            self._resumed.check_same(manifest)

    def fit(
        self,
        module: DocumentClassification,
        data: DocumentDataModule,
        linear: LinearModel | None = None,
    ) -> Fitted:
        """Train; the first process loads the best checkpoint (snapshots.py) into ``module``.

        ``linear``: see head_start.py; only the first process needs it.

        Raises:
            ConfigError: the checkpoint to go on from is of another run, the memory ended, or there
                was no validation, or none whose loss was a number.
            StorageError: the disk is full.
            StoppedError: a signal ended the run; its message says how to go on.
        """
        self.check_resumed(module.manifest)
        self._head_start.linear = linear
        for logger in self._run_loggers:
            logger.log_provenance(module.manifest.provenance)
        checkpoint = self._resumed.checkpoint if self._resumed else None
        with out_of_memory_as_error(data.batch_size), group_ends_with_block(), self._signals:
            run_trainer(self.trainer, module, data, checkpoint)
        self._check_finite(module)
        best, share = Path(self._best.best_model_path), 1.0
        if self.is_first_process:  # other machines needn't see its folder
            content = read_weights(best)
            module.classifier.load_state_dict(classifier_state(content))
            share = content["global_step"] / self.trainer.estimated_stepping_batches
        is_random = self._head_start.is_random
        metrics = {
            **self._speed.metrics(),
            "train/epochs": float(self._curve.rows[-1]["epoch"]),
            "train/random_layer": float(is_random),
        }
        return Fitted(best, share, is_random, self._curve.rows, metrics)

    def log_results(self, metrics: Mapping[str, float]) -> None:
        """Tell the loggers what came of the run; one that fails is named on standard error.

        The run is finished and its files are whole: an outage elsewhere doesn't make it a failed
        one.
        """
        for logger in self._run_loggers:
            try:
                logger.log_results(metrics, self.trainer.global_step)
            except Exception as error:  # the network's, the disk's or the logger's own
                why = (str(error).strip() or type(error).__name__).partition("\n")[0]
                print(
                    f"warning: logger={self._logger_kind} did not get the run's results, which are "
                    f"in metrics.json: {why}",
                    file=sys.stderr,
                )

    def _check_finite(self, module: DocumentClassification) -> None:
        if not self._best.best_model_path:
            raise ConfigError(
                "the run ended before its first validation, and there is nothing to keep; lower "
                f"trainer.val_check_interval={self.trainer.val_check_interval}, or give more epochs"
            )
        least = self._best.best_model_score
        if least is not None and not isfinite(least):
            raise ConfigError(
                f"the validation loss is no number after epoch {self._curve.rows[-1]['epoch']}: "
                "training has diverged, and there is nothing to keep. Lower "
                f"model.optimizer.lr={module.settings.optimizer.lr:g}, or give "
                f"trainer.precision=32-true (now {self.trainer.precision})"
            )


def run_trainer(
    trainer: pl.Trainer,
    module: DocumentClassification,
    data: DocumentDataModule,
    resume: Path | None,
) -> None:
    """Fit, from a checkpoint on or from the start. Raises StoppedError, in the first process."""
    try:
        trainer.fit(module, data, ckpt_path=resume)
        trainer.strategy.barrier()
    except StoppedError:
        if trainer.is_global_zero:
            raise
        sys.exit(0)  # the first process tells how it ended
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None  # Lightning ends the process with status 1
        raise
