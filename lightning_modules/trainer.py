"""Lightning's Trainer from settings, and what it needs to be left alone with. Trains nothing."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger

from docsort.core.errors import ConfigError
from docsort.core.shape_cache import limit_shape_cache
from lightning_modules.checkpoint_io import WholeCheckpoints
from lightning_modules.trainer_settings import checked_trainer, resolved_accelerator

_BF16_PRODUCTS = ("avx512_bf16", "amx_bf16")
# NVIDIA's first GPUs with bf16 products, Ampere; torch emulates bf16 on older ones
_BF16_CAPABILITY = (8, 0)


def make_trainer(
    settings: Mapping[str, Any],
    folder: Path,
    callbacks: list[Callback],
    loggers: list[Logger],
    validates: bool = True,
) -> pl.Trainer:
    """A Trainer by Lightning's own arguments. Raises ConfigError for what is not accepted.

    ``validates``: False leaves all validations out, which no setting may.
    """
    settings = checked_trainer(settings)
    if not validates:
        settings["limit_val_batches"] = 0
    limit_shape_cache()
    _avoid_attention_plans()
    _quiet()
    try:
        return pl.Trainer(
            **settings,
            default_root_dir=folder,
            logger=loggers,
            callbacks=callbacks,
            plugins=[WholeCheckpoints()],
            enable_model_summary=False,
            use_distributed_sampler=False,  # the batch sampler shares out by itself
        )
    except (TypeError, ValueError, MisconfigurationException) as error:
        raise ConfigError(f"a trainer setting is not accepted: {error}") from error


def with_precision(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Trainer settings with the precision that null means on this machine."""
    if settings.get("precision", "") is not None:
        return dict(settings)
    on_cpu = resolved_accelerator(settings.get("accelerator", "auto")) == "cpu"
    return {**settings, "precision": cpu_precision() if on_cpu else gpu_precision()}


def cpu_precision() -> str:
    """bf16-mixed where an x86 processor multiplies in bf16 and oneDNN may use it, else 32-true.

    Without such instructions bf16 is about eight times as slow as fp32.
    """
    # torch before 2.11 doesn't tell
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    has_bf16 = any(capabilities.get(name) for name in _BF16_PRODUCTS)
    return "bf16-mixed" if has_bf16 and _onednn_uses_bf16() else "32-true"


def _onednn_uses_bf16() -> bool:
    """False where ONEDNN_MAX_CPU_ISA keeps oneDNN from AVX-512, whatever the processor has."""
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(has_onednn and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def gpu_precision() -> str:
    """bf16-mixed where all GPUs multiply in bf16, else 16-mixed."""
    gpus = range(torch.cuda.device_count())
    all_do = all(torch.cuda.get_device_capability(gpu) >= _BF16_CAPABILITY for gpu in gpus)
    return "bf16-mixed" if all_do else "16-mixed"


def _avoid_attention_plans() -> None:
    """Take cuDNN's scaled dot-product attention out of torch's choice, in this whole process.

    It makes an execution plan for every new shape, 0.1 s each, and batches of similar length have
    ever new shapes. On an H200 torch 2.11 asks it first, in half precision; what is asked next
    trained 5.4 times as fast (docs/LOG.md, 2026-11-27).
    """
    torch.backends.cuda.enable_cudnn_sdp(False)


def _quiet() -> None:
    """Keep Lightning's advertisements and advice that doesn't hold here off the terminal."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # the collate function only lays out windows: worker processes would cost more than they spare
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # a resumed run writes beside the checkpoints that it goes on from
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty.*")
    # it is: the data module keeps its place
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # it follows from the number of documents
    warnings.filterwarnings("ignore", message=".*max_epochs. was not set.*")
    # a small table is no mistake
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    # Lightning 2.6 with torch 2.13
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
