"""One training run: Lightning's Trainer with what watches it. Knows checkpoints and logs alone."""

import gc
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.loggers import Logger

from docsort.core.bundle import Manifest
from docsort.core.errors import ConfigError, StoppedError
from docsort.core.linear import LinearModel
from lightning_modules.callbacks import LearningCurve, Speed
from lightning_modules.checkpoints import classifier_state, read_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.csv_log import ContinuedCSVLogger
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.ends_after import EndsAfter
from lightning_modules.epochs import EpochsBySize
from lightning_modules.head_start import HeadStart
from lightning_modules.last_step import LastStep
from lightning_modules.loggers import RunLogger, make_loggers
from lightning_modules.memory import StepMemory, out_of_memory_as_error
from lightning_modules.processes import group_ends_with_block
from lightning_modules.refined_loss import REFINED_LOSS, REFINED_LOSS_ERROR
from lightning_modules.refit import REFIT, remove_refit, stopped_refit
from lightning_modules.resume import AUTO, CHECKPOINTS, StoppedRun, read_stopped
from lightning_modules.run_settings import RunSettings
from lightning_modules.snapshots import LAST, BestCheckpoint, Snapshots
from lightning_modules.step_seeds import StepSeeds
from lightning_modules.stop_signals import StopSignals
from lightning_modules.stopping import Stopping
from lightning_modules.trainer import make_trainer

# trainer settings that a refit has no use for: when to validate, and other ends than its own
_NOT_OF_A_REFIT = (
    *("val_check_interval", "check_val_every_n_epoch"),
    *("min_epochs", "min_steps", "max_time"),
)


@dataclass(frozen=True)
class Fitted:
    """What a run leaves in memory; the first process's module holds the best weights.

    ``kept_step``: the optimizer steps that the best checkpoint had made, of ``num_steps`` of the
    schedule; the first process's. ``is_random``: whether the classification layer began random.
    """

    best_checkpoint: Path
    kept_step: int
    num_steps: int
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
        if self._resumed and self._resumed.refit:
            raise ConfigError(
                f"resume={resume} is of a run's second time, on all of its documents; to go on "
                f"from it, give resume={AUTO} and the run's hydra.run.dir"
            )
        own = folder / CHECKPOINTS
        self._checkpoints = resume.absolute().parent if resume else own
        self._go_on = f"hydra.run.dir={folder} resume={AUTO}"
        if self._checkpoints != own.absolute():
            self._go_on = f"resume={self._checkpoints / LAST}"
        self._trainer_settings, self._folder, self._settings = trainer_settings, folder, settings
        self._signals = StopSignals()
        self._best = BestCheckpoint(self._checkpoints, REFINED_LOSS, REFINED_LOSS_ERROR)
        self._speed, self._curve, self._head_start = Speed(), LearningCurve(), HeadStart()
        own_callbacks = [
            Stopping(settings.patience),
            self._speed,
            self._curve,
            LastStep(),
            *callbacks,
            self._best,
        ]
        loggers = make_loggers(settings.logger, folder, self._resumed.step if self._resumed else 0)
        self._run_loggers = [each for each in loggers if isinstance(each, RunLogger)]
        self.trainer = self._make_trainer(
            trainer_settings, self._head_start, own_callbacks, self._checkpoints, loggers
        )
        self.is_first_process = self.trainer.is_global_zero
        self._last_step = 0

    @property
    def device(self) -> str:
        """Where it trains: cpu, or cuda:N."""
        return str(self.trainer.strategy.root_device)

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
        self._run_trainer(module, data, self._resumed)
        self._check_finite(module)
        self._last_step = self.trainer.global_step
        best, kept_step = Path(self._best.best_model_path), 0
        if self.is_first_process:  # other machines needn't see its folder
            content = read_weights(best)
            module.classifier.load_state_dict(classifier_state(content))
            kept_step = content["global_step"]
        num_steps = int(self.trainer.estimated_stepping_batches)
        is_random = self._head_start.is_random
        metrics = {
            **self._speed.metrics(),
            "train/epochs": float(self._curve.rows[-1]["epoch"]),
            "train/random_layer": float(is_random),
        }
        return Fitted(best, kept_step, num_steps, is_random, self._curve.rows, metrics)

    def refit(
        self, module: DocumentClassification, data: DocumentDataModule, first: Fitted
    ) -> dict[str, float]:
        """The run once more, from the start, its validation documents among the others.

        Where validation takes one of eight documents a label, all eight tell clearly more than
        seven do (docs/LOG.md, 2026-11-27). Nothing can be chosen any more, so the first run has
        chosen: how the classification layer begins, what share of the schedule's steps is made,
        the calibration. In one process; it goes on where it was stopped.

        Args:
            module: as before the first run; it holds the last weights afterwards.
            data: with all documents as train.
            first: what the first run came to.

        Returns:
            Flat metrics; speed and time are those of both runs.

        Raises:
            ConfigError, StorageError, StoppedError: as ``fit``.
        """
        ends, speed = EndsAfter(first.kept_step, first.num_steps), Speed()
        # without a checkpoint the first run has begun anew, and so does this
        go_on = self._resumed and stopped_refit(self._checkpoints, module.manifest, ends)
        log = ContinuedCSVLogger(self._folder, go_on.step if go_on else 0, version=REFIT)
        settings = {k: v for k, v in self._trainer_settings.items() if k not in _NOT_OF_A_REFIT}
        _untie(self.trainer)
        self.trainer = self._make_trainer(
            settings,
            HeadStart(first.is_random),
            [ends, speed],
            self._checkpoints / REFIT,
            [log],
            validates=False,
        )
        gc.collect()
        try:
            self._run_trainer(module, data, go_on)
            _check_weights(module)
        except BaseException:
            for logger in self._run_loggers:
                logger.finalize("failed")
            raise
        return {
            **self._speed.and_of(speed).metrics(),
            "train/refit_documents": float(len(data.splits["train"])),
        }

    def remove_refit(self) -> None:
        """The refit's checkpoint, once its weights are in the bundle."""
        remove_refit(self._checkpoints)

    def log_results(self, metrics: Mapping[str, float]) -> None:
        """Tell the loggers what came of the run; one that fails is named on standard error.

        The run is finished and its files are whole: an outage elsewhere doesn't make it a failed
        one.
        """
        for logger in self._run_loggers:
            try:
                logger.log_results(metrics, self._last_step)
            except Exception as error:  # the network's, the disk's or the logger's own
                why = (str(error).strip() or type(error).__name__).partition("\n")[0]
                print(
                    f"warning: logger={self._settings.logger.kind} did not get the run's results, "
                    f"which are in metrics.json: {why}",
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

    def _make_trainer(
        self,
        settings: Mapping[str, Any],
        head_start: HeadStart,
        others: list[Callback],
        checkpoints: Path,
        loggers: list[Logger],
        validates: bool = True,
    ) -> pl.Trainer:
        by_size = [EpochsBySize()] if settings.get("max_epochs") is None else []
        callbacks = [
            RichProgressBar(refresh_rate=4),  # a second; Lightning 2.6's 100 slow short steps
            *by_size,
            StepMemory(),
            head_start,
            StepSeeds(self._settings.seed),
            *others,
            # the last, so that what all others know stands in it
            Snapshots(checkpoints, self._settings.checkpoint_minutes, self._signals, self._go_on),
        ]
        return make_trainer(settings, self._folder, callbacks, loggers, validates)

    def _run_trainer(
        self, module: DocumentClassification, data: DocumentDataModule, stopped: StoppedRun | None
    ) -> None:
        checkpoint = stopped.checkpoint if stopped else None
        with out_of_memory_as_error(data.batch_size), group_ends_with_block(), self._signals:
            try:
                self.trainer.fit(module, data, ckpt_path=checkpoint)
                self.trainer.strategy.barrier()
            except StoppedError:
                if self.is_first_process:
                    raise
                sys.exit(0)  # the first process tells how it ended
            except SystemExit as error:
                if isinstance(error.__context__, KeyboardInterrupt):
                    raise error.__context__ from None  # Lightning ends the process with status 1
                raise


def _untie(trainer: pl.Trainer) -> None:
    """Let go of module, gradients and optimizer of a run that is over, several models in size.

    Lightning 2.6 gives each callback its module's own methods, and we keep some callbacks.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        for name in ("log", "log_dict"):
            vars(callback).pop(name, None)


def _check_weights(module: DocumentClassification) -> None:
    if not all(torch.isfinite(weights).all() for weights in module.parameters()):
        raise ConfigError(
            "the run once more on all documents has diverged; go on without it by refit_up_to=0 "
            f"resume={AUTO}, or begin a new one in another hydra.run.dir with a model.optimizer.lr "
            f"below {module.settings.optimizer.lr:g}"
        )
