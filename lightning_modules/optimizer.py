"""AdamW and its schedule from settings and parameters. Knows nothing about documents."""

from collections.abc import Iterable

import torch
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from lightning_modules.settings import OptimizerSettings


def make_optimizer(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]], settings: OptimizerSettings
) -> AdamW:
    """AdamW, fused, without decay on biases and norms (all tensors of one dimension)."""
    groups: dict[tuple[bool, float], list[torch.nn.Parameter]] = {}
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((name.startswith("head."), decay), []).append(parameter)
    rates = {False: settings.lr, True: settings.head_lr or settings.lr}
    optimizer = AdamW(
        [
            {"params": p, "lr": rates[of_head], "weight_decay": decay, "of_head": of_head}
            for (of_head, decay), p in groups.items()
        ],
        lr=settings.lr,
        fused=True,
    )
    # it could unscale fp16's gradients in its step, but they are clipped before that; so GradScaler
    # unscales them, and Lightning doesn't refuse to clip
    optimizer._step_supports_amp_scaling = False
    return optimizer


def make_schedule(optimizer: AdamW, num_steps: int, warmup_share: float) -> LambdaLR:
    """Linear warm-up over a share of the steps, then linear decay to 0 (Devlin et al. 2019).

    A share over 0 is one step at least.
    """
    warmup = max(round(num_steps * warmup_share), warmup_share > 0)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return max(0.0, (num_steps - step) / max(1, num_steps - warmup))

    return LambdaLR(optimizer, factor)


def multiply_head_rate(optimizer: Optimizer, schedule: LRScheduler, factor: float) -> None:
    """Before the first step. Both keep it in their states, so that a resumed run has it, too."""
    for at, group in enumerate(optimizer.param_groups):
        if group["of_head"]:
            group["lr"] *= factor
            group["initial_lr"] *= factor
            schedule.base_lrs[at] *= factor
