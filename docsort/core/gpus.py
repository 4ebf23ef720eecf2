"""GPUs as the environment names them, read without torch, whose import takes seconds."""

import os
from itertools import takewhile

VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"


def named_gpus() -> tuple[str, ...] | None:
    """The GPUs that the variable lets a process see: numbers or UUIDs; None where it isn't set.

    As CUDA reads it, an invalid name hides those behind it (CUDA C++ programming guide,
    environment variables); -1 is the usual one.
    """
    given = os.environ.get(VISIBLE_GPUS)
    if given is None:
        return None
    return tuple(takewhile(lambda name: name not in ("", "-1"), given.split(",")))
