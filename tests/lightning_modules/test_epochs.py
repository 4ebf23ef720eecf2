"""How many epochs a table gets when nobody says."""

from typing import Any

import pytest

from lightning_modules.epochs import epochs_for
from tests.lightning_modules.conftest import Run, losses_of_validations


@pytest.mark.parametrize(
    ("steps_per_epoch", "epochs"),
    [(1, 15), (13, 15), (14, 15), (20, 10), (66, 4), (67, 3), (9999, 3)],
)
def test_small_tables_get_more(steps_per_epoch: int, epochs: int) -> None:
    assert epochs_for(steps_per_epoch) == epochs


@pytest.mark.parametrize(
    ("trainer", "epochs", "last_step"),
    [
        ({}, 10, 200),  # 160 documents, 8 a step
        ({"accumulate_grad_batches": 4}, 15, 75),
        ({"max_steps": 30}, 2, 30),
    ],
)
def test_a_run_that_leaves_it_open(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    trainer: dict[str, Any],
    epochs: int,
    last_step: int,
) -> None:
    losses_of_validations(monkeypatch, [1 / n for n in range(1, 20)])
    module, fitted = run(max_epochs=None, num_sanity_val_steps=0, **trainer)
    assert (len(fitted.learning_curve), fitted.learning_curve[-1]["step"]) == (epochs, last_step)
    assert "by the number of documents" in capfd.readouterr().out
    (optimizer,) = module.trainer.optimizers
    assert optimizer.param_groups[0]["lr"] == 0  # the schedule was made for just as many steps
