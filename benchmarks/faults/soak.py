"""Fault 7: a long time under load without growth in memory, beside a version that does grow.

The control is the same archive with a handler that keeps some memory at every batch. It shares
server, traffic and judge, so that a judge who sees no growth anywhere is found out.
"""

import asyncio
import json
import math
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import httpx
import psutil

from benchmarks.faults.target import Target
from docsort.serving.mar import HANDLER, MANIFEST, unpack_archive, write_mar

CONTROL = "leaking"  # the control's version
_LEAK = """

_KEPT = []
_handle = DocsortHandler.handle


def _keeping(self, data, context):
    _KEPT.append(b"x" * {num_bytes})
    return _handle(self, data, context)


DocsortHandler.handle = _keeping
"""
_TEXT = "the profit of a bank and its market share rose in the last season"
_CLIENTS = 4
_NUM_SAMPLES = 60
_MIB = 1 << 20


@dataclass(frozen=True)
class Soak:
    """Resident memory in MiB by kind of process, sampled evenly; what was answered meanwhile."""

    seconds: float
    num_answers: int
    statuses: set[int]
    samples_mib: dict[str, list[float]]

    def growth_mib(self, kind: str) -> float:
        """From the second quarter to the last: the first is for caches and arenas to fill."""
        samples = self.samples_mib[kind]
        quarter = max(1, len(samples) // 4)
        return median(samples[-quarter:]) - median(samples[quarter : 2 * quarter])


def leaking_archive(archive: Path, target: Path, num_bytes: int) -> None:
    """Write a copy of an archive as version ``leaking``, which keeps ``num_bytes`` a batch."""
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder) / "unpacked"
        unpack_archive(archive, unpacked)
        handler, manifest = unpacked / HANDLER, unpacked / MANIFEST
        handler.write_text(handler.read_text() + _LEAK.format(num_bytes=num_bytes))
        content = json.loads(manifest.read_text())
        content["model"]["modelVersion"] = CONTROL
        manifest.write_text(json.dumps(content))
        write_mar(unpacked, target)


def soak(target: Target, supervisor: int, seconds: float, max_answers: float = math.inf) -> Soak:
    """Ask the version and the control for so long, or for so many answers of both.

    ``supervisor`` is the server's process.
    """
    return asyncio.run(_soak(target, supervisor, seconds, max_answers))


async def _soak(target: Target, supervisor: int, seconds: float, max_answers: float) -> Soak:
    control = replace(target, version=CONTROL)
    processes = processes_of(target, control, supervisor)
    samples: dict[str, list[float]] = {kind: [] for kind in processes}
    answers: list[int] = []
    started = time.monotonic()

    def share_done() -> float:
        return max((time.monotonic() - started) / seconds, len(answers) / max_answers)

    asking = [
        asyncio.create_task(_ask(each, seed, share_done, answers))
        for seed in range(_CLIENTS)
        for each in (target, control)
    ]
    while (done := share_done()) < 1:
        if done * _NUM_SAMPLES >= len(samples["supervisor"]):
            for kind, several in processes.items():
                samples[kind].append(sum(p.memory_info().rss for p in several) / _MIB)
        await asyncio.sleep(0.02)
    await asyncio.gather(*asking)
    return Soak(seconds, len(answers), set(answers), samples)


def processes_of(
    target: Target, control: Target, supervisor: int
) -> dict[str, list[psutil.Process]]:
    """By what they are: the supervisor, TorchServe, Nginx's worker, both versions' workers."""
    own = psutil.Process(supervisor)
    found = {"supervisor": [own]}
    for process in own.children(recursive=True):
        name = process.name()
        if name == "java":
            found["TorchServe"] = [process]
        elif name == "nginx" and process.parent() != own:
            found["Nginx"] = [process]
    for each, kind in ((target, "workers"), (control, "control's workers")):
        found[kind] = [psutil.Process(pid) for pid in sorted(each.workers())]
        assert found[kind], f"{each.model} {each.version} has no worker"
    return found


async def _ask(
    target: Target, seed: int, share_done: Callable[[], float], answers: list[int]
) -> None:
    """Documents of every length, as they come in life: mostly short, a few long, some refused."""
    generator = random.Random(seed)
    async with httpx.AsyncClient(base_url=target.url, timeout=300) as client:
        while share_done() < 1:
            num_words = int(generator.lognormvariate(4, 1.2))
            text = " ".join(generator.choices(_TEXT.split(), k=num_words))
            answer = await client.post(target.path, content=text[:60_000], headers=target.headers())
            answers.append(answer.status_code)
