"""Memory while training: how much activations may take; its end as an error that helps."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from transformers import PreTrainedModel

from docsort.core.errors import ConfigError

# What a step holds for its gradients, of a token, each unit and layer: 165 KiB in all-MiniLM-L6-v2
# (6 layers of 384 units) in fp32, counted in docs/LOG.md, 2026-11-27. A little less in bf16.
_ACTIVATION_BYTES = 75
# fp32: weights, gradients, and AdamW's two moments
_BYTES_A_PARAMETER = 16
# torch's allocator for the CPU raises a plain RuntimeError
_CPU_MESSAGES = ("not enough memory", "can't allocate memory")


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
    return any(message in str(error) for message in _CPU_MESSAGES)


def tokens_in_memory(encoder: PreTrainedModel, num_processes: int) -> int | None:
    """Tokens of a step whose activations a CPU can hold: half of what is free beside the model.

    None where that is unknown. ``num_processes`` of this machine share it. On a CPU nothing says
    that memory ends: the kernel kills the process.
    """
    free = free_memory()
    if free is None:
        return None
    config = encoder.config
    a_token: int = _ACTIVATION_BYTES * config.num_hidden_layers * config.hidden_size
    rest = free // num_processes - _BYTES_A_PARAMETER * encoder.num_parameters()
    return max(0, int(rest // 2 // a_token))


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take of the machine, and of its container (cgroup v2)."""
    found = []
    with suppress(OSError, ValueError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith("MemAvailable:")]
        found.append(int(line.split()[1]) * 1024)
    with suppress(OSError, ValueError):  # no limit is written as a word
        group = root / "sys/fs/cgroup"
        limit = int((group / "memory.max").read_text())
        found.append(max(0, limit - int((group / "memory.current").read_text())))
    return min(found, default=None)
