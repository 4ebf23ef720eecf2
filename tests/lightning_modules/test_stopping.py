"""How a run ends before its end: by a signal, behind a checkpoint; or for want of memory."""

import signal
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from docsort.core.errors import ConfigError, StoppedError
from lightning_modules.callbacks import Speed
from lightning_modules.stop_signals import StopSignals
from tests.lightning_modules.conftest import Run

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


@pytest.mark.parametrize("error", ["real", MemoryError(), torch.OutOfMemoryError("CUDA")])
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
