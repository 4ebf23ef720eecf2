"""When a run's state goes to disk to be gone on from. Knows neither what is in it nor who resumes.

``last.ckpt`` is written after every epoch, and within one whenever so many minutes have passed or a
signal asks for the end; always between two optimizer steps with nothing pending (gradients being
accumulated, a validation), since Lightning restarts from such a place only.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint

from docsort.core.disk import remove_partials
from docsort.core.errors import StoppedError
from lightning_modules.refined_loss import LeastLoss
from lightning_modules.stop_signals import StopSignals

LAST = "last.ckpt"
BEST = "best.ckpt"


class Snapshots(Checkpoint):
    """Writes ``last.ckpt``; of its kind so that Lightning calls it when the others are done."""

    def __init__(
        self, folder: Path, every_minutes: float, signals: StopSignals, go_on: str
    ) -> None:
        """``go_on``: the settings that go on from here, for whoever reads how the run ended."""
        super().__init__()
        self._file, self._go_on = folder / LAST, go_on
        self._every_s, self._signals = every_minutes * 60, signals
        self._since = 0.0
        self._written = False

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # Under max_steps Lightning 2.6 takes a checkpoint between two epochs for one within the
        # first, and would end that twice. As with max_epochs alone, it goes on with the second.
        trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._signals.watch()
        resumed = trainer.ckpt_path
        self._written = resumed is not None and Path(resumed).absolute() == self._file.absolute()
        if trainer.is_global_zero:
            for file in (self._file, self._file.with_name(BEST)):
                remove_partials(file)
        self._since = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        due = time.monotonic() - self._since >= self._every_s
        if _nothing_pending(trainer, batch_idx + 1) and self._any(trainer, due or self._stopping()):
            self._save(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        # Lightning can't restart within a validation, so this goes back to the checkpoint before it
        if self._stopping() and trainer.world_size == 1:
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._save(trainer)

    def _stopping(self) -> bool:
        return self._signals.received is not None

    def _any(self, trainer: pl.Trainer, wanted: bool) -> bool:
        """Whether any process wants it: they must write together, and end together."""
        return trainer.strategy.reduce_boolean_decision(wanted, all=False)

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self._file)
        self._since, self._written = time.monotonic(), True
        if self._any(trainer, self._stopping()):
            self._stop(trainer)

    def _stop(self, trainer: pl.Trainer) -> None:
        # only one of several processes may have got it
        number = self._signals.received or signal.SIGTERM
        place = f"epoch {trainer.current_epoch + 1}, step {trainer.global_step}"
        again = "before its first checkpoint; the same command begins anew"
        if self._written:
            again = f"the same command with {self._go_on} goes on"
        elif trainer.ckpt_path:
            again = f"the same command goes on from {trainer.ckpt_path}"
        raise StoppedError(number, f"stopped by {signal.Signals(number).name} in {place}; {again}")


class BestCheckpoint(ModelCheckpoint):
    """``best.ckpt``: of the latest validation that is as good as the best, give or take chance.

    See `LeastLoss`; of those with little between them the latest, since it learned at the lower
    rate.

    One name, overwritten whole: whenever the process dies, ``last.ckpt`` never names a file that
    is gone. Its state holds names and no folders, so that a run's folder can be moved.
    """

    def __init__(self, folder: Path, monitor: str, error: str) -> None:
        """``monitor`` and ``error``: what the loss and its standard error are logged as."""
        self._error = error
        self._least = LeastLoss()
        super().__init__(
            dirpath=folder,
            filename=Path(BEST).stem,
            monitor=monitor,
            mode="min",
            enable_version_counter=False,
        )

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        """Whether to keep the validation that has just found ``current``."""
        if current is None:
            return False
        as_good = self._least.admits(float(current), float(trainer.callback_metrics[self._error]))
        keep = as_good or not self.best_k_models  # one that is no number is kept rather than none
        return trainer.strategy.reduce_boolean_decision(keep)

    def state_dict(self) -> dict[str, Any]:
        own = asdict(self._least)
        return _with_paths(super().state_dict(), lambda path: Path(path).name) | own

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._least = LeastLoss(state_dict["least"], state_dict["tolerated"])
        folder = str(self.dirpath)
        super().load_state_dict(
            _with_paths(state_dict, lambda name: str(Path(folder, name))) | {"dirpath": folder}
        )


def _nothing_pending(trainer: pl.Trainer, num_batches: int) -> bool:
    """Whether a run that has done so many batches of its epoch can go on from here exactly."""
    stepped = num_batches % trainer.accumulate_grad_batches == 0
    ended = num_batches == trainer.num_training_batches
    # None: validations go by the clock
    interval = trainer.val_check_batch
    by_epoch = trainer.check_val_every_n_epoch is not None
    counted = num_batches if by_epoch else trainer.fit_loop.total_batch_idx + 1
    validates = interval is not None and counted % interval == 0
    # asked to stop (last_step.py), a run validates first
    return stepped and not ended and not validates and not trainer.should_stop


def _with_paths(state: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A ModelCheckpoint's state with other file names and no folder."""
    names = ("best_model_path", "kth_best_model_path", "last_model_path")
    files = {name: change(state[name]) if state[name] else "" for name in names}
    best = {change(path): score for path, score in state["best_k_models"].items()}
    return {**state, **files, "dirpath": "", "best_k_models": best}
