"""Memory while training: how much activations may take; its end as an error that helps."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch

from docsort.core.errors import ConfigError
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule

# What a step holds for its gradients in fp32, of a token in each layer, as counted in MiniLM
# (docs/LOG.md, 2026-11-27): so much for each hidden unit; and with attention dropout, which the
# fast kernel can't do, for each head and other token of the window. A little less in bf16.
_HIDDEN_BYTES, _ATTENTION_BYTES = 75, 12
# fp32: weights, gradients, and AdamW's two moments
_PARAMETER_BYTES = 16
# What has no error of its own: torch's allocator for the CPU, and what CUDA and cuBLAS allocate
# beside torch's.
_MESSAGES = (
    "not enough memory",
    "can't allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


@contextmanager
def out_of_memory_as_error(batch_size: int) -> Iterator[None]:
    """Raises ConfigError where the memory of CPU or GPU ended. ``batch_size``: documents a step."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        raise ConfigError(
            f"out of memory with data.batch_size={batch_size}: give a smaller one (and a larger "
            "trainer.accumulate_grad_batches, for as many documents in an optimizer step), or a "
            f"smaller model.max_windows or model.window. In torch's words: {error}"
        ) from error


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(message in str(error) for message in _MESSAGES)


class StepMemory(pl.Callback):
    """On a CPU, has a step that doesn't fit hold one pass at a time; says where there are such.

    Nothing there says that memory ends: the kernel kills the process.
    """

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, DocumentClassification)
        if module.device.type != "cpu":
            return
        most = tokens_in_memory(module, trainer.num_devices)
        module.classifier.max_kept_tokens = most
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, DocumentDataModule)
        plan = module.manifest.plan(module.tokenizer)
        num_tokens = np.sort(data.splits["train"].with_format("numpy")["num_tokens"][:])
        longest = sum(plan.tokens_computed(int(n)) for n in num_tokens[-data.batch_size :])
        if trainer.is_global_zero and most is not None and longest > most:
            print(f"memory: a step of over {most:,} tokens is made twice, so that it fits")


def tokens_in_memory(module: DocumentClassification, num_processes: int) -> int | None:
    """Tokens of a step that a CPU can hold: in half of what is free beside the model.

    None where that is unknown. ``num_processes`` of this machine share it.
    """
    free = free_memory()
    if free is None:
        return None
    encoder = module.classifier.encoder
    config = encoder.config
    held = _HIDDEN_BYTES * config.hidden_size
    if module.settings.attention_dropout:
        held += _ATTENTION_BYTES * config.num_attention_heads * module.manifest.window
    rest = free // num_processes - _PARAMETER_BYTES * encoder.num_parameters()
    return max(0, int(rest // 2 // (config.num_hidden_layers * held)))


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take of the machine, and of its container (cgroup v2)."""
    found = []
    with suppress(OSError, ValueError, KeyError):
        found.append(_counts(root / "proc/meminfo")["MemAvailable"] * 1024)
    with suppress(OSError, ValueError, KeyError):  # no limit is written as a word
        group = root / "sys/fs/cgroup"
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        # files that were read lately count as used, and go when the memory is wanted
        found.append(max(0, limit - used + _counts(group / "memory.stat")["inactive_file"]))
    return min(found, default=None)


def _counts(file: Path) -> dict[str, int]:
    """Numbers by name, of lines like ``MemAvailable:  4 kB``."""
    words = [line.split() for line in file.read_text().splitlines()]
    return {name.rstrip(":"): int(number) for name, number, *_ in words}
