"""Which parameters decay, and how the learning rate rises and falls."""

import pytest
import torch
from torch import nn

from docsort.core.errors import ConfigError
from lightning_modules.optimizer import make_optimizer, make_schedule, multiply_head_rate
from lightning_modules.settings import OptimizerSettings


def model() -> nn.ModuleDict:
    parts = {"encoder": nn.Linear(4, 4), "norm": nn.LayerNorm(4), "head": nn.Linear(4, 2)}
    return nn.ModuleDict(parts)


def test_no_decay_on_biases_and_norms() -> None:
    settings = OptimizerSettings(lr=1e-3, head_lr=1e-2, weight_decay=0.1)
    optimizer = make_optimizer(model().named_parameters(), settings)
    groups = {
        (group["lr"], group["weight_decay"]): sorted(tuple(p.shape) for p in group["params"])
        for group in optimizer.param_groups
    }
    assert groups == {
        (1e-3, 0.1): [(4, 4)],
        (1e-3, 0.0): [(4,), (4,), (4,)],
        (1e-2, 0.1): [(2, 4)],
        (1e-2, 0.0): [(2,)],
    }


def test_scaled_gradients_are_unscaled_before_they_are_clipped() -> None:
    """As GradScaler and Lightning do it in fp16: the step is the same as without a scale."""
    stepped = []
    for scale in (1.0, 1024.0):
        torch.manual_seed(1)
        layers = model()
        optimizer = make_optimizer(layers.named_parameters(), OptimizerSettings(lr=1e-3))
        assert optimizer.defaults["fused"]
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        scaler.scale(layers["head"](layers["encoder"](torch.ones(2, 4))).square().sum()).backward()
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(layers.parameters(), 0.1)
        scaler.step(optimizer)
        stepped.append((norm, layers["head"].weight.detach()))
    torch.testing.assert_close(stepped[0], stepped[1])


def test_a_step_whose_gradients_overflow_is_left_out() -> None:
    layers = model()
    before = layers["head"].weight.detach().clone()
    optimizer = make_optimizer(layers.named_parameters(), OptimizerSettings(lr=1e-3))
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(layers["head"](torch.full((1, 4), float("inf"))).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    torch.testing.assert_close(layers["head"].weight.detach(), before)
    assert scaler.get_scale() < 2.0**16  # GradScaler's first


def test_warm_up_and_decay() -> None:
    optimizer = make_optimizer(model().named_parameters(), OptimizerSettings(lr=1.0))
    schedule = make_schedule(optimizer, num_steps=10, warmup_share=0.2)
    multiply_head_rate(optimizer, schedule, 3.0)
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        of_head = [group["lr"] for group in optimizer.param_groups if group["of_head"]]
        assert of_head == pytest.approx([3 * rates[-1]] * 2)
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([1 / 3, 2 / 3, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, [1.0, 0.75, 0.5, 0.25]),
        (0.1, [0.5, 1.0, 2 / 3, 1 / 3]),
        (1.0, [0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_shares_of_warm_up(share: float, expected: list[float]) -> None:
    optimizer = make_optimizer(model().named_parameters(), OptimizerSettings(lr=1.0))
    schedule = make_schedule(optimizer, num_steps=4, warmup_share=share)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx(expected)


@pytest.mark.parametrize(
    "wrong", [{"lr": 0}, {"lr": 1, "weight_decay": -1}, {"lr": 1, "warmup_share": 2}]
)
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"model\.optimizer\."):
        OptimizerSettings(**wrong)
