"""A run that dies anywhere goes on to the same weights, bit for bit, and the same figures.

160 documents in batches of 8 and two epochs: 40 steps.
"""

import random
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from docsort.core.bundle import Manifest
from docsort.core.errors import BundleError, ConfigError
from lightning_modules.checkpoints import read_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.fit import Fitted
from lightning_modules.resume import StoppedRun, checkpoint_to_resume
from lightning_modules.step_seeds import StepSeeds
from tests.lightning_modules.conftest import Break, Run, losses_of_validations

LAST = "checkpoints/last.ckpt"
Trained = tuple[DocumentClassification, Fitted]


@pytest.mark.parametrize("at", [1, 19, 20, 38])
def test_from_any_step(run: Run, broken: Break, tmp_path: Path, at: int) -> None:
    """Within an epoch, before its last batch, between two epochs, before the last batch of all."""
    whole = run("whole", log_every_n_steps=1)
    broken(at, checkpoint_minutes=0, log_every_n_steps=1)
    resumed = run("broken", resume=tmp_path / "broken" / LAST, log_every_n_steps=1)
    assert_same(whole, resumed)
    rows = [(tmp_path / name / "logs" / "metrics.csv").read_text() for name in ("whole", "broken")]
    assert rows[0] == rows[1]


def test_from_an_older_checkpoint(run: Run, broken: Break, tmp_path: Path) -> None:
    """Steps behind the last checkpoint are made again, to the same end."""
    whole = run("whole")
    broken(35)  # the first epoch's checkpoint is the last
    assert_same(whole, run("broken", resume=tmp_path / "broken" / LAST))


def test_in_mixed_precision(run: Run, broken: Break, tmp_path: Path) -> None:
    whole = run("whole", precision="bf16-mixed")
    broken(35, precision="bf16-mixed")
    assert_same(whole, run("broken", resume=tmp_path / "broken" / LAST, precision="bf16-mixed"))


def test_with_gradients_accumulated_and_validations_within_epochs(
    run: Run, broken: Break, tmp_path: Path
) -> None:
    settings = {"accumulate_grad_batches": 3, "val_check_interval": 0.5, "checkpoint_minutes": 0}
    whole = run("whole", **settings)
    assert len(whole[1].learning_curve) == 4
    broken(14, **settings)
    assert_same(whole, run("broken", resume=tmp_path / "broken" / LAST, **settings))


@pytest.mark.parametrize("minutes", [0, 5])
@pytest.mark.parametrize("at", [20, 25])
def test_a_run_that_max_steps_ends(
    run: Run, broken: Break, tmp_path: Path, at: int, minutes: int
) -> None:
    whole = run("whole", max_steps=30)
    broken(at, checkpoint_minutes=minutes, max_steps=30)
    assert_same(whole, run("broken", resume=tmp_path / "broken" / LAST, max_steps=30))


@pytest.mark.parametrize("at", [20, 25, 40, 45])
def test_a_run_that_ends_before_max_steps(run: Run, broken: Break, tmp_path: Path, at: int) -> None:
    whole = run("whole", max_steps=1000, max_epochs=3)
    assert read_weights(tmp_path / "whole" / LAST)["global_step"] == 60
    broken(at, max_steps=1000, max_epochs=3)
    last = tmp_path / "broken" / LAST
    assert read_weights(last)["global_step"] == at // 20 * 20
    assert_same(whole, run("broken", resume=last, max_steps=1000, max_epochs=3))


@pytest.mark.parametrize("at", [20, 25])
def test_max_steps_may_be_given_later(run: Run, broken: Break, tmp_path: Path, at: int) -> None:
    """From between two epochs, and from within the second."""
    broken(at, checkpoint_minutes=0, max_epochs=3)
    _, fitted = run("broken", resume=tmp_path / "broken" / LAST, max_epochs=3, max_steps=50)
    assert [(row["epoch"], row["step"]) for row in fitted.learning_curve] == [
        (1, 20),
        (2, 40),
        (3, 50),
    ]


def test_epochs_of_one_step_under_max_steps(run: Run, broken: Break, tmp_path: Path) -> None:
    settings = {"limit_train_batches": 1, "max_steps": 3, "max_epochs": 9}
    whole = run("whole", **settings)
    broken(2, **settings)
    last = tmp_path / "broken" / LAST
    assert read_weights(last)["global_step"] == 2
    assert_same(whole, run("broken", resume=last, **settings))


def test_validations_after_so_many_batches_whatever_the_epoch(
    run: Run, broken: Break, tmp_path: Path
) -> None:
    settings = {"check_val_every_n_epoch": None, "val_check_interval": 15, "checkpoint_minutes": 0}
    whole = run("whole", **settings)
    assert [row["step"] for row in whole[1].learning_curve] == [15, 30]
    for at in (15, 30):  # the batches before these are followed by a validation
        broken(at, f"broken-{at}", **settings)
        last = tmp_path / f"broken-{at}" / LAST
        assert read_weights(last)["global_step"] == at - 1
        assert_same(whole, run(f"broken-{at}", resume=last, **settings))


def test_several_deaths_and_another_folder(run: Run, broken: Break, tmp_path: Path) -> None:
    """A run's folder can be moved between two lives: its checkpoints name files by name."""
    whole = run("whole")
    broken(25, checkpoint_minutes=0)
    shutil.move(tmp_path / "broken", tmp_path / "elsewhere")
    last = tmp_path / "elsewhere" / LAST
    broken(30, folder="elsewhere", checkpoint_minutes=0, resume=last)
    assert_same(whole, run("elsewhere", resume=last))


def test_a_run_that_had_stopped_early_stays_stopped(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses_of_validations(monkeypatch, [0.1, 0.2, 0.3, 0.4])
    stopped = run(max_epochs=9, num_sanity_val_steps=0)
    assert stopped[1].metrics["train/epochs"] == 4
    again = run(max_epochs=9, num_sanity_val_steps=0, resume=tmp_path / "run" / LAST)
    assert_same(stopped, again)


def test_a_checkpoint_of_another_version_is_refused(run: Run, tmp_path: Path) -> None:
    run(max_epochs=1)
    last = tmp_path / "run" / LAST
    content = torch.load(last, weights_only=True)
    del content["docsort"]["format"]
    torch.save(content, last)
    with pytest.raises(BundleError, match=r"last\.ckpt was written by another version of docsort"):
        run("other", resume=last)


@pytest.mark.parametrize("content", [b"no checkpoint", {"state_dict": {}}])
def test_no_checkpoint_of_ours_is_refused_by_the_setting_that_named_it(
    run: Run, tmp_path: Path, content: object
) -> None:
    foreign = tmp_path / "foreign.ckpt"
    if isinstance(content, bytes):
        foreign.write_bytes(content)
    else:
        torch.save(content, foreign)
    with pytest.raises(BundleError, match=rf"^resume={foreign} (cannot be read|was not written)"):
        run(resume=foreign)


def test_what_was_best_is_remembered(
    run: Run, broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first validation after going on is a worse one."""
    losses_of_validations(monkeypatch, [0.1, 0.2])
    broken(30, checkpoint_minutes=0, num_sanity_val_steps=0)
    _, fitted = run("broken", resume=tmp_path / "broken" / LAST, num_sanity_val_steps=0)
    assert read_weights(fitted.best_checkpoint)["epoch"] == 0


def test_figures_of_a_resumed_run_are_those_of_all_of_it(
    run: Run, broken: Break, tmp_path: Path
) -> None:
    broken(30, checkpoint_minutes=0)
    before = torch.load(tmp_path / "broken" / LAST, weights_only=True)["callbacks"]["Speed"]
    _, fitted = run("broken", resume=tmp_path / "broken" / LAST)
    assert [(row["epoch"], row["step"]) for row in fitted.learning_curve] == [(1, 20), (2, 40)]
    assert before["documents"] == 30 * 8
    assert fitted.metrics["train/seconds"] > before["seconds"] > 0
    documents = fitted.metrics["train/docs_per_s"] * fitted.metrics["train/seconds"]
    assert documents == pytest.approx(2 * 160)


def test_the_head_is_not_fitted_again(
    run: Run, broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(5, checkpoint_minutes=0)

    def again(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("lightning_modules.head_start.fit_head", again)
    run("broken", resume=tmp_path / "broken" / LAST)


def test_dropout_follows_from_the_step(run: Run) -> None:
    """Whatever was drawn before, and another in another step."""
    seeds, trainer = StepSeeds(1), SimpleNamespace(global_rank=0, current_epoch=0)
    drawn = []
    for batch in (0, 0, 1):
        seeds.on_train_batch_start(trainer, None, None, batch)  # type: ignore[arg-type]
        drawn.append((torch.rand(1).item(), np.random.rand(), random.random()))
    assert drawn[0] == drawn[1]
    assert all(a != b for a, b in zip(drawn[0], drawn[2], strict=True))


@pytest.mark.parametrize(
    ("setting", "value", "refused"),
    [
        ("model", {"optimizer": {"lr": 2}}, r"model\.optimizer\.lr=1"),
        ("trainer", {"max_epochs": 9, "precision": "bf16-mixed"}, None),
        (
            "trainer",
            {"max_epochs": 2, "max_steps": 9, "precision": "bf16-mixed"},
            None,
        ),
        ("trainer", {"max_epochs": 2, "precision": "32-true"}, r"trainer\.precision=bf16-mixed"),
        ("data", {"train": "moved.csv", "batch_size": 8}, None),
        ("data", {"train": "data.csv", "batch_size": 9}, r"data\.batch_size=8"),
    ],
)
def test_settings_of_another_run(setting: str, value: dict[str, Any], refused: str | None) -> None:
    config = {
        "model": {"optimizer": {"lr": 1}},
        "trainer": {"max_epochs": 2, "precision": "bf16-mixed"},
        "data": {"train": "data.csv", "batch_size": 8},
    }
    provenance = {"config": config, "data": {"data.csv": "00"}}
    before = Manifest("single_label", ("a", "b"), 16, 4, 4, provenance=provenance)
    stopped = StoppedRun(Path("last.ckpt"), before, 1)
    changed = {**provenance, "config": {**config, setting: value}}
    now = replace(before, provenance=changed)
    with pytest.raises(ConfigError, match=refused) if refused else nullcontext():
        stopped.check_same(now)


def test_other_documents(tmp_path: Path) -> None:
    before = Manifest("single_label", ("a", "b"), 16, 4, 4, provenance={"data": {"a.csv": "00"}})
    now = replace(before, provenance={"data": {"a.csv": "01"}})
    with pytest.raises(ConfigError, match="other data"):
        StoppedRun(Path("last.ckpt"), before, 1).check_same(now)


def test_which_checkpoint(tmp_path: Path) -> None:
    assert checkpoint_to_resume(None, tmp_path) is None
    assert checkpoint_to_resume("auto", tmp_path) is None
    last = tmp_path / LAST
    last.parent.mkdir()
    last.touch()
    assert checkpoint_to_resume("auto", tmp_path) == last
    assert checkpoint_to_resume(str(last), tmp_path / "other") == last
    with pytest.raises(ConfigError, match=r"nowhere\.ckpt"):
        checkpoint_to_resume("nowhere.ckpt", tmp_path)


def assert_same(one: Trained, other: Trained) -> None:
    """Bit for bit: the chosen weights, the last ones, the optimizer; and the learning curve."""
    mine, others = tensors(one), tensors(other)
    assert mine.keys() == others.keys()
    assert [name for name in mine if not torch.equal(mine[name], others[name])] == []
    assert one[1].learning_curve == other[1].learning_curve


def tensors(trained: Trained) -> dict[str, torch.Tensor]:
    module, fitted = trained
    last = torch.load(fitted.best_checkpoint.with_name("last.ckpt"), weights_only=True)
    found = {f"best {name}": tensor for name, tensor in module.state_dict().items()}
    found |= {f"last {name}": tensor for name, tensor in last["state_dict"].items()}
    for number, state in last["optimizer_states"][0]["state"].items():
        found |= {f"optimizer {number} {name}": tensor for name, tensor in state.items()}
    return found
