"""Speed by a clock of the test's own: what is counted, and what is not; the learning curve."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from docsort.core.windows import DocumentWindows, WindowPlan
from lightning_modules import callbacks
from lightning_modules.callbacks import LearningCurve, Speed
from lightning_modules.data_module import Batch
from lightning_modules.settings import OptimizerSettings
from tests.lightning_modules.conftest import SETTINGS, Run

PLAN = WindowPlan(window=8, overlap=2, max_windows=4, prefix=(1,), suffix=(2,))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def batch_of(*lengths: int) -> Batch:
    windows = DocumentWindows.of([list(range(length)) for length in lengths], PLAN)
    return Batch(windows, targets=None)  # type: ignore[arg-type]


def test_validation_is_not_counted_and_the_making_of_batches_is(clock: SimpleNamespace) -> None:
    trainer: Any = SimpleNamespace(world_size=2)
    module: Any = None
    speed = Speed()
    clock.now += 50  # the sanity check
    speed.on_train_start(trainer, module)
    speed.on_train_epoch_start(trainer, module)
    clock.now += 3  # making the batch, then the step
    speed.on_train_batch_end(trainer, module, None, batch_of(4, 5), 0)
    clock.now += 1000  # a validation
    speed.on_validation_end(trainer, module)
    clock.now += 1
    speed.on_train_batch_end(trainer, module, None, batch_of(3), 1)
    # 3 documents in each of 2 processes; 6 + 7 + 5 tokens, special tokens included
    assert speed.metrics() == {
        "train/seconds": 4.0,
        "train/docs_per_s": 6 / 4.0,
        "train/tokens_per_s": 36 / 4.0,
    }


def test_a_run_without_a_step_has_no_speed() -> None:
    assert Speed().metrics()["train/docs_per_s"] == 0


def test_training_loss_is_the_same_whatever_a_step_accumulates(run: Run) -> None:
    still = replace(SETTINGS, optimizer=OptimizerSettings(lr=1e-9))
    (_, one), (_, three) = (
        run(str(batches), settings=still, accumulate_grad_batches=batches) for batches in (1, 3)
    )
    expected = [row["train_loss"] for row in one.learning_curve]
    assert len(expected) == 2
    assert [row["train_loss"] for row in three.learning_curve] == pytest.approx(expected, rel=1e-4)


def test_every_document_counts_the_same_in_the_training_loss() -> None:
    """Also when a checkpoint lies between two batches of different sizes."""
    trainer: Any = SimpleNamespace(
        accumulate_grad_batches=2,
        sanity_checking=False,
        current_epoch=0,
        global_step=1,
        callback_metrics={},
    )
    module: Any = None
    curve, again = LearningCurve(), LearningCurve()
    curve.on_train_batch_end(trainer, module, {"loss": torch.tensor(0.25)}, batch_of(4, 5, 6), 0)
    again.load_state_dict(curve.state_dict())
    again.on_train_batch_end(trainer, module, {"loss": torch.tensor(0.75)}, batch_of(7), 1)
    again.on_validation_end(trainer, module)
    assert again.rows == [{"epoch": 1, "step": 1, "train_loss": (3 * 0.5 + 1.5) / 4}]
