"""Several processes that train together: their group ends with the training. Starts none itself.

Lightning starts them by the command line, or torchrun does. What follows the training is the first
process's alone: it shall have all threads, and a later run in it shall not wait for the others.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed

# by torchrun, Lightning, SLURM and jsrun
_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


def is_first_process() -> bool:
    """Whether this process is the first of those that train together, as its environment says."""
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


@contextmanager
def group_ends_with_block() -> Iterator[None]:
    """Afterwards no process group is left, and environment and threads are as they were."""
    environment, num_threads = dict(os.environ), torch.get_num_threads()
    try:
        yield
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        os.environ.clear()
        os.environ.update(environment)
        torch.set_num_threads(num_threads)
