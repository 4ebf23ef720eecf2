"""The `trainer` group, checked where Lightning finds out late, or never. Starts nothing.

Lightning's other keys, and what it refuses as soon as a Trainer is made, are left to Lightning.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import torch
from pytorch_lightning import Trainer

from docsort.core.errors import ConfigError
from lightning_modules.sampler import batches_in_epoch

_ACCELERATORS = ("cpu", "gpu", "cuda", "auto")
# spawned and forked processes hand nothing back to the one that writes the results
_STRATEGIES = ("auto", "ddp")
# the weights stay fp32; of 16-mixed Lightning makes bf16-mixed on a CPU, and the bundle would lie
_PRECISIONS = {
    "cpu": ("32-true", "bf16-mixed"),
    "gpu": ("32-true", "bf16-mixed", "16-mixed"),
}


def checked_trainer(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, ``accelerator=auto`` being CUDA's GPU where there is one, else the CPU.

    Raises:
        ConfigError: what a run can't be made with.
    """
    accelerator = settings.get("accelerator", "auto")
    _check("accelerator", accelerator, accelerator in _ACCELERATORS, ", ".join(_ACCELERATORS))
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ConfigError(
            f"trainer.accelerator={accelerator}: this machine has no GPU that "
            "torch can use; accepted here: trainer=cpu"
        )
    accelerator = resolved_accelerator(accelerator)
    precisions = _PRECISIONS["cpu" if accelerator == "cpu" else "gpu"]
    given = settings.get("precision")
    fits = given is None or given in precisions
    _check("precision", given, fits, f"{' or '.join(precisions)} (accelerator: {accelerator})")
    for name, fits_it, accepted in _CHECKS:
        if name in settings:
            _check(name, settings[name], fits_it(settings[name]), accepted)
    return {**settings, "accelerator": accelerator}


def resolved_accelerator(given: str) -> str:
    """What ``auto`` means here: of Lightning's own choices, Apple's GPUs are none of ours."""
    if given != "auto":
        return given
    return "gpu" if torch.cuda.is_available() else "cpu"


def check_validated(trainer: Trainer, num_documents: int, batch_size: int) -> None:
    """Raises ConfigError where an epoch of so many documents ends before its first validation.

    ``batch_size``: documents a step and process.
    """
    interval = trainer.val_check_interval
    num_batches = batches_in_epoch(num_documents, batch_size, trainer.world_size)
    limit = trainer.limit_train_batches
    num_batches = min(num_batches, limit) if type(limit) is int else int(num_batches * limit)
    # by Lightning's None batches are counted over the epochs
    in_epoch = type(interval) is int and trainer.check_val_every_n_epoch is not None
    accepted = f"a share over 0.0 to 1.0, or {num_batches} batches at most, which is an epoch"
    _check("val_check_interval", interval, not in_epoch or interval <= num_batches, accepted)


def _check(name: str, value: object, ok: bool, accepted: str) -> None:
    if not ok:
        raise ConfigError(f"trainer.{name}={value} is not accepted; give {accepted}")


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_amount(value: object) -> bool:
    """A share or a count: 1.0 is all, 1 is one."""
    return _is_count(value) or (type(value) is float and 0 < value <= 1)


_AMOUNT = "a share over 0.0 to 1.0, or a number of batches from 1 up"
_CHECKS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("strategy", lambda x: x in _STRATEGIES, " or ".join(_STRATEGIES)),
    ("max_epochs", lambda x: x is None or _is_count(x), "null or a whole number from 1 up"),
    ("max_steps", lambda x: x == -1 or _is_count(x), "-1 for none, or a whole number from 1 up"),
    ("accumulate_grad_batches", _is_count, "a whole number from 1 up"),
    ("log_every_n_steps", _is_count, "a whole number from 1 up"),
    (
        "gradient_clip_val",
        lambda x: x is None or (type(x) in (int, float) and isfinite(x) and x >= 0),
        "null or a number from 0 up",
    ),
    # what is no number is a time, which Lightning reads by itself
    ("val_check_interval", lambda x: type(x) not in (int, float) or _is_amount(x), _AMOUNT),
    ("check_val_every_n_epoch", lambda x: x is None or x == 1, "1, or null to count all batches"),
    ("limit_train_batches", lambda x: x is None or _is_amount(x), _AMOUNT),
    # without a validation no checkpoint is chosen
    ("limit_val_batches", lambda x: x is None or _is_amount(x), _AMOUNT),
    ("fast_dev_run", lambda x: x is False, "false; trainer.max_steps makes a run short"),
)
