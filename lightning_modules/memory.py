"""Out of memory while training, as an error that names the settings to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from docsort.core.errors import ConfigError

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
