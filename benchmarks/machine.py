"""What a measurement says of the machine it ran on, and the rate that its cores could reach."""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import nn

from docsort.commands.provenance import environment, git_commit
from docsort.core.golden import machine
from docsort.core.packed import PackedLinear

# One MiniLM feed-forward product at 2,048 tokens.
SGEMM_SHAPE = (2048, 384, 1536)


def describe() -> dict[str, Any]:
    """Hardware, software, commit, and the measured sgemm rates in GFLOP/s.

    ``sgemm_gflop_per_s`` is the faster of torch's own product and oneDNN's with packed weights:
    what these cores can do in fp32, whoever asks them.
    """
    rates = {"torch": sgemm_rate(), "packed": packed_sgemm_rate()}
    return {
        "machine": machine(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0],
        "commit": git_commit(),
        "environment": environment(),
        "sgemm_gflop_per_s": round(max(rates.values()), 1),
        "sgemm_gflop_per_s_by": {name: round(rate, 1) for name, rate in rates.items()},
    }


def sgemm_rate() -> float:
    """GFLOP/s of torch's own fp32 matrix product on all threads."""
    m, k, n = SGEMM_SHAPE
    left, right = torch.randn(m, k), torch.randn(k, n)
    return _rate(lambda: left @ right)


def packed_sgemm_rate() -> float:
    """The same by oneDNN, one factor laid out for it (docsort/core/packed.py)."""
    m, k, n = SGEMM_SHAPE
    inputs, packed = torch.randn(m, k), PackedLinear(nn.Linear(k, n, bias=False))
    return _rate(lambda: packed(inputs))


def _rate(product: Callable[[], Any], repeats: int = 30) -> float:
    """Of the median of several products."""
    m, k, n = SGEMM_SHAPE
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats):
            started = time.perf_counter()
            product()
            seconds.append(time.perf_counter() - started)
    return 2 * m * k * n / median(seconds) / 1e9
