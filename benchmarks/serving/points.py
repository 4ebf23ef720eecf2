"""One point of the measurement: a running system under one load, and what it used meanwhile."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.documents import Documents
from benchmarks.serving.load import Plan
from benchmarks.serving.summary import summarise
from benchmarks.serving.systems import HOST, Running

_ROOT = Path(__file__).resolve().parents[2]
# An open loop opens as many as it needs, up to so many.
OPEN_CONNECTIONS = 256


@dataclass(frozen=True)
class Timing:
    """Seconds that a point counts, after a warm-up of its own."""

    seconds: float
    warm_up_s: float


def closed(running: Running, documents: Documents, connections: int, timing: Timing) -> Any:
    """Clients that each ask again as soon as they have their answer."""
    found = _measure(running, documents, timing, connections, None)
    return {"documents": documents.name, "mode": "closed", "connections": connections, **found}


def arriving(running: Running, documents: Documents, per_s: float, timing: Timing) -> Any:
    """Requests that come at a mean rate, whatever becomes of those before them."""
    per_s = round(per_s, 2)
    found = _measure(running, documents, timing, OPEN_CONNECTIONS, per_s)
    return {"documents": documents.name, "mode": "open", "arrivals_per_s": per_s, **found}


def _measure(
    running: Running,
    documents: Documents,
    timing: Timing,
    connections: int,
    arrivals_per_s: float | None,
) -> dict[str, Any]:
    system = running.system
    end_s = timing.warm_up_s + timing.seconds
    plan = Plan(
        host=HOST,
        port=running.port,
        path=system.path,
        content_type=system.content_type,
        bodies=tuple(map(system.body, documents.texts)),
        connections=connections,
        seconds=end_s,
        arrivals_per_s=arrivals_per_s,
    )
    before_s = running.usage.cpu_s()
    load = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.load"],
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=True,
        cwd=_ROOT,
        timeout=end_s + plan.timeout_s + 60,
    )
    cpu_s = running.usage.cpu_s() - before_s
    seen = json.loads(load.stdout)
    answered = sum(answer[3] == 200 for answer in seen["answers"])
    return {
        **summarise(seen["answers"], documents.tokens, timing.warm_up_s, end_s),
        "sent_again": seen["sent_again"],
        "cpu_ms_per_answer": round(1000 * cpu_s / answered, 1) if answered else None,
        "peak_rss_mb": running.usage.peak_rss_mb,
    }
