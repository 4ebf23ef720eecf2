"""What a measurement says of the machine it ran on, and the rate that its cores could reach."""

import copy
import os
import time
from statistics import median
from typing import Any

import torch
from torch import nn

from docsort.commands.provenance import environment, git_commit
from docsort.core.golden import machine
from docsort.core.packed import pack_linear_layers

# One MiniLM feed-forward product at 2,048 tokens.
SGEMM_SHAPE = (2048, 384, 1536)


def describe() -> dict[str, Any]:
    """Hardware, software, commit, and the measured sgemm rate."""
    return {
        "machine": machine(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "commit": git_commit(),
        "environment": environment(),
        "sgemm_gflop_per_s": round(sgemm_rate(), 1),
    }


def sgemm_rate(repeats: int = 30) -> float:
    """GFLOP/s of a fp32 matrix product on all threads, of the median of several.

    The faster of torch's own product and docsort's (docsort/core/packed.py): what these cores can
    do, whoever asks them.
    """
    m, k, n = SGEMM_SHAPE
    inputs, own = torch.randn(m, k), nn.Linear(k, n, bias=False)
    docsorts = nn.Sequential(copy.deepcopy(own))
    pack_linear_layers(docsorts)
    with torch.inference_mode():
        return max(
            2 * m * k * n / _seconds(each, inputs, repeats) / 1e9 for each in (own, docsorts)
        )


def _seconds(layer: nn.Module, inputs: torch.Tensor, repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        layer(inputs)
        seconds.append(time.perf_counter() - started)
    return median(seconds)
