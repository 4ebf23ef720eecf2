"""What a measurement says of the machine it ran on, and the rate that its cores could reach."""

import os
import time
from statistics import median
from typing import Any

import torch

from docsort.commands.provenance import environment, git_commit
from docsort.core.golden import machine

# One MiniLM feed-forward product at 2,048 tokens.
SGEMM_SHAPE = (2048, 384, 1536)


def describe() -> dict[str, Any]:
    """Hardware, software, commit, and the measured sgemm rate in GFLOP/s."""
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
    """GFLOP/s of a fp32 matrix product on all threads: the median of several."""
    m, k, n = SGEMM_SHAPE
    left, right = torch.randn(m, k), torch.randn(k, n)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    return 2 * m * k * n / median(seconds) / 1e9
