"""Where a request's time goes in docsort, from what it measures itself under a real load."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx

from benchmarks.serving.docsort_system import access_log
from benchmarks.serving.systems import Running
from docsort.serving.run_dir import RunDir

_LINE = re.compile(r"^(docsort_\w+_seconds)_(sum|count)(?:\{[^}]*\})? (\S+)", re.MULTILINE)
# A worker's measures reach TorchServe's metrics through its output, a moment after the answer.
_SETTLE_S = 0.5


@dataclass(frozen=True)
class _Seen:
    """Totals so far, by metric and kind, and bytes of the access log."""

    totals: dict[tuple[str, str], float]
    log_bytes: int


def with_stages(running: Running, measure: Callable[[], Any]) -> tuple[Any, dict[str, Any]]:
    """A point of docsort, and what each stage of its requests took on average."""
    before = _look(running.folder)
    point = measure()
    time.sleep(_SETTLE_S)
    after = _look(running.folder)
    grown = {key: total - before.totals.get(key, 0.0) for key, total in after.totals.items()}
    with access_log(running.folder).open("rb") as log:
        log.seek(before.log_bytes)
        lines = [
            json.loads(line) for line in log.read(after.log_bytes - before.log_bytes).splitlines()
        ]
    good = [line for line in lines if line["status"] == 200]
    return point, {"connections": point["connections"], **stage_times(good, grown)}


def stage_times(lines: list[dict[str, Any]], grown: dict[tuple[str, str], float]) -> dict[str, Any]:
    """In milliseconds. A batch's requests all wait for the whole of it: it counts in full."""
    if not lines:
        return {"requests": 0}
    request_s = fmean(float(line["request_s"]) for line in lines)
    behind_s = fmean(_upstream_s(line["model_s"]) for line in lines)
    stages_s = {
        "nginx": request_s - behind_s,
        "frontend_and_queue": _mean(grown, "docsort_queue_seconds"),
        "tokenize": _mean(grown, "docsort_tokenize_seconds"),
        "model": _mean(grown, "docsort_model_seconds"),
    }
    known_s = [seconds for seconds in stages_s.values() if seconds is not None]
    stages_s["encode_and_return"] = request_s - sum(known_s)
    batches = grown.get(("docsort_model_seconds", "count"), 0.0)
    model_s = grown.get(("docsort_model_seconds", "sum"), 0.0)
    tokenize_s = grown.get(("docsort_tokenize_seconds", "sum"), 0.0)
    return {
        "requests": len(lines),
        "request_ms": _ms(request_s),
        "stage_ms": {name: _ms(seconds) for name, seconds in stages_s.items()},
        "requests_per_pass": round(len(lines) / batches, 2) if batches else None,
        "tokenize_ms_per_document": _ms(tokenize_s / len(lines)),
        "model_ms_per_document": _ms(model_s / len(lines)),
    }


def _mean(grown: dict[tuple[str, str], float], name: str) -> float | None:
    count = grown.get((name, "count"), 0.0)
    return grown[name, "sum"] / count if count else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)


def _upstream_s(said: str) -> float:
    """One time, or one for each try."""
    return sum(float(part) for part in re.findall(r"[\d.]+", said))


def _look(folder: Path) -> _Seen:
    socket = RunDir(folder / "run", lock=-1).metrics
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as client:
        text = client.get("http://torchserve/metrics").raise_for_status().text
    totals: dict[tuple[str, str], float] = {}
    for name, kind, value in _LINE.findall(text):
        totals[name, kind] = totals.get((name, kind), 0.0) + float(value)
    log = access_log(folder)
    return _Seen(totals, log.stat().st_size if log.exists() else 0)
