"""The server under trial, and the good neighbour whose answers must not suffer meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from docsort.serving.run_dir import RunDir
from docsort.serving.torchserve import TorchServeApi

# Of one text; sums in another batch are taken in another order.
TOLERANCE = 1e-5
# Seconds that a good neighbour's answer may take. On a busy machine the worst of a trial that went
# well took 2; one that had to wait for a lost worker to be started again took 50.
LONGEST_ANSWER_S = 10.0
_TEXT = "the profit of the bank"


@dataclass(frozen=True)
class Target:
    """A server of this machine, and which of its versions is asked."""

    url: str
    run_dir: Path
    model: str
    version: str
    api_key: str = ""

    def headers(self, content_type: str = "text/plain") -> dict[str, str]:
        key = {"X-Api-Key": self.api_key} if self.api_key else {}
        return {"Content-Type": content_type, **key}

    @property
    def path(self) -> str:
        return f"/predictions/{self.model}/{self.version}"

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname == "127.0.0.1", "trials are for this machine's own server"
        assert parts.port is not None
        return parts.hostname, parts.port

    def workers(self) -> set[int]:
        """Process ids of the version's workers."""
        with closing(TorchServeApi(RunDir(self.run_dir, lock=-1), 60)) as api:
            return api.ready_workers(self.model, self.version)


@dataclass
class Neighbour:
    """What someone with good manners got while others had none."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    is_unchanged: bool = True

    @property
    def is_well(self) -> bool:
        """Whether all answers were right, whenever they came."""
        return bool(self.statuses) and set(self.statuses) == {200} and self.is_unchanged

    @property
    def held(self) -> bool:
        """Whether they came in time, too."""
        return self.is_well and max(self.seconds) < LONGEST_ANSWER_S

    def __str__(self) -> str:
        said = f"{len(self.statuses)} good requests beside it: {self._answers()}"
        if self.seconds:
            p50, p99, worst = np.percentile(self.seconds, [50, 99, 100])
            said += f", p50 {p50:.3f} s, p99 {p99:.2f} s, worst {worst:.2f} s"
        return f"{said} (under {LONGEST_ANSWER_S:g} s holds)"

    def _answers(self) -> str:
        if set(self.statuses) != {200}:
            return f"{sorted(set(self.statuses))}"
        return "all 200, unchanged" if self.is_unchanged else "all 200, CHANGED"


@asynccontextmanager
async def good_neighbour(target: Target) -> AsyncIterator[Neighbour]:
    """One document, asked for over and over while the block runs, and compared with its first."""
    seen = Neighbour()
    stop = asyncio.Event()
    task = asyncio.create_task(_ask(target, seen, stop))
    try:
        yield seen
    finally:
        stop.set()
        await task


async def _ask(target: Target, seen: Neighbour, stop: asyncio.Event) -> None:
    first: dict[str, float] | None = None
    async with httpx.AsyncClient(base_url=target.url, timeout=120) as client:
        while first is None or not stop.is_set():
            started = time.perf_counter()
            answer = await client.post(target.path, content=_TEXT, headers=target.headers())
            seen.seconds.append(time.perf_counter() - started)
            seen.statuses.append(answer.status_code)
            if answer.status_code != 200:
                return
            scores = _scores(answer.json())
            first = first or scores
            seen.is_unchanged &= all(abs(scores[k] - first[k]) < TOLERANCE for k in first)
            await asyncio.sleep(0.01)


def _scores(answer: dict[str, Any]) -> dict[str, float]:
    return {entry["label"]: entry["score"] for entry in answer["scores"]}
