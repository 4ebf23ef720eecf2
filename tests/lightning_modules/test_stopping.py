"""How a run ends before its end: by a signal, behind a checkpoint; or for want of memory."""

import math
import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from docsort.core.errors import ConfigError, StoppedError
from lightning_modules.callbacks import Speed
from lightning_modules.stop_signals import StopSignals
from tests.lightning_modules.conftest import Run, losses_of_validations

LAST = "checkpoints/last.ckpt"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_behind_a_checkpoint(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def send(self: Speed, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == 7:
            signal.raise_signal(number)

    monkeypatch.setattr(Speed, "on_train_batch_start", send)
    with pytest.raises(StoppedError, match=f"{number.name} in epoch 1, step 8.*resume=auto") as end:
        run()
    assert end.value.exit_status == 128 + number
    assert torch.load(tmp_path / "run" / LAST, weights_only=True)["global_step"] == 8
    assert handlers == {each: signal.getsignal(each) for each in handlers}


def test_a_signal_within_a_validation_ends_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on from the checkpoint before it, which is the first epoch's."""

    def send(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        if trainer.current_epoch == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Speed, "on_validation_batch_start", send)
    with pytest.raises(StoppedError, match="epoch 2, step 40"):
        run()
    assert torch.load(tmp_path / "run" / LAST, weights_only=True)["global_step"] == 20


def test_a_signal_before_the_first_checkpoint_says_that_there_is_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Speed, "on_validation_batch_start", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    with pytest.raises(StoppedError, match=r"epoch 1, step 20; before its first.*begins anew"):
        run(num_sanity_val_steps=0)
    assert not (tmp_path / "run" / LAST).exists()


def test_a_signal_in_an_epoch_of_one_step_under_max_steps(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == 1:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Speed, "on_train_epoch_start", send)
    with pytest.raises(StoppedError, match=r"epoch 2, step 2.*resume=auto goes on"):
        run(limit_train_batches=1, max_steps=1000, max_epochs=9)
    assert torch.load(tmp_path / "run" / LAST, weights_only=True)["global_step"] == 1


def test_the_second_signal_acts_as_ever(request: pytest.FixtureRequest) -> None:
    # a test run in the background ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with StopSignals() as signals:
        signals.watch()
        signal.raise_signal(signal.SIGINT)
        assert signals.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("losses", "error", "validations"),
    [
        ([0.20, 0.26, 0.27, 0.28, 0.10], 0.05, 4),  # three clearly worse ones in a row
        ([0.20, 0.26, 0.27, 0.24, 0.26, 0.27, 0.28, 0.10], 0.05, 7),  # the fourth is as good
        ([0.20, 0.26, 0.27, 0.28, 0.29], 0.1, 5),  # nothing is clear
        ([0.20, math.nan, 0.10], 0.05, 2),
    ],
)
def test_clearly_worse_validations_end_a_run(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    losses: list[float],
    error: float,
    validations: int,
) -> None:
    losses_of_validations(monkeypatch, losses, error)
    _, fitted = run(max_epochs=len(losses), num_sanity_val_steps=0)
    assert len(fitted.learning_curve) == validations


@pytest.mark.parametrize(
    ("before", "after", "validations"),
    [
        ([0.1, 0.4, 0.4], [0.3], 4),  # better than the last, clearly worse than the best
        ([0.1, math.nan], [], 2),
    ],
)
def test_what_was_worse_before_a_run_is_resumed_counts(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    before: list[float],
    after: list[float],
    validations: int,
) -> None:
    losses_of_validations(monkeypatch, before)
    _, fitted = run(max_epochs=len(before), num_sanity_val_steps=0)
    last = fitted.best_checkpoint.with_name("last.ckpt")
    losses_of_validations(monkeypatch, after)
    _, again = run(max_epochs=9, num_sanity_val_steps=0, resume=last)
    assert len(again.learning_curve) == validations


@pytest.mark.parametrize(
    "error",
    [
        "real",
        MemoryError(),
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_out_of_memory_names_the_settings_to_lower(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: str | Exception
) -> None:
    def want_more(*_: object) -> None:
        if isinstance(error, Exception):
            raise error
        torch.empty(1 << 50)

    monkeypatch.setattr(Speed, "on_train_batch_start", want_more)
    with pytest.raises(ConfigError) as refused:
        run()
    for setting in (
        "data.batch_size=8",
        "model.window",
        "model.max_windows",
        "trainer.accumulate_grad_batches",
    ):
        assert setting in str(refused.value)
