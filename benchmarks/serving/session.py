"""The order of a whole measurement: every peer at its best, then docsort, one server at a time."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import sgemm_rate
from benchmarks.serving.docsort_system import NAME, docsort_system
from benchmarks.serving.documents import Documents
from benchmarks.serving.models import Models
from benchmarks.serving.offline import offline_rate
from benchmarks.serving.peers import peers
from benchmarks.serving.points import Timing, arriving, closed
from benchmarks.serving.stages import with_stages
from benchmarks.serving.systems import Running, System, running

CONNECTIONS = (1, 8, 32, 64)
GRID_CONNECTIONS = (8, 32)
STAGE_CONNECTIONS = (1, 32)
BUSY = 32  # connections at which a system's capacity is taken
ARRIVALS = (0.5, 0.8)  # of that capacity
# The same weights, in another transformers or another batch.
TOLERANCE = 1e-4


@dataclass
class Session:
    """What is measured with, and where servers may write."""

    models: Models
    mixed: Documents
    long: Documents
    folder: Path
    timing: Timing
    grid_timing: Timing
    _number: int = 0

    def peer(self, name: str) -> dict[str, Any]:
        """A peer at its best setting, and the grid that it was found in. Raises LookupError."""
        settings = peers(name, self.models.plain, self.models.plain_store)
        grid = [self._grid_point(system) for system in settings]
        with self._running(settings[best_setting(grid)]) as server:
            found = self._about(server)
            found["points"] = [*self._closed(server), self._long(server)]
            found["points"] += self._arriving(server, capacity(found))
            found["peak_rss_mb"] = server.usage.peak_rss_mb
        return {**found, "grid": grid}

    def docsort(self, options: Sequence[str], other_capacity: float | None) -> dict[str, Any]:
        """docsort, also at the arrivals that another system's capacity gives."""
        before = self._offline()
        with self._running(docsort_system(self.models.archive, tuple(options))) as server:
            found = self._about(server)
            stages = []
            points = []
            for connections in CONNECTIONS:
                _say(f"{NAME}: {connections} connections")

                def measure(connections: int = connections) -> Any:
                    return closed(server, self.mixed, connections, self.timing)

                if connections in STAGE_CONNECTIONS:
                    point, of_point = with_stages(server, measure)
                    stages.append(of_point)
                else:
                    point = measure()
                points.append(point)
            found["points"] = [*points, self._long(server)]
            found["points"] += self._arriving(server, capacity(found))
            if other_capacity:
                found["points"] += self._arriving(server, other_capacity)
            found["peak_rss_mb"] = server.usage.peak_rss_mb
        after = self._offline()
        offline = {name: round((rate + after[name]) / 2, 2) for name, rate in before.items()}
        spread = {name: [round(rate, 2), round(after[name], 2)] for name, rate in before.items()}
        return {**found, "stages": stages, "offline": offline, "offline_before_after": spread}

    def _running(self, system: System) -> AbstractContextManager[Running]:
        self._number += 1
        _say(f"{system.name}: starting, {system.setting}")
        return running(system, self.folder / str(self._number), self.mixed.texts[0])

    def _about(self, server: Running) -> dict[str, Any]:
        system = server.system
        self._check(server)
        return {
            "setting": system.setting,
            "versions": system.versions,
            "first_answer_s": round(server.first_answer_s, 2),
            "sgemm_gflop_per_s": round(sgemm_rate(), 1),
        }

    def _check(self, server: Running) -> None:
        """Raise RuntimeError unless it answers with the weights that it was given."""
        text = min(self.mixed.texts, key=len)
        _, score = server.ask(text)
        expected = self.models.score(server.system.name, text)
        if abs(score - expected) > TOLERANCE:
            raise RuntimeError(f"{server.system.name} gives {score}, the weights {expected}")

    def _grid_point(self, system: System) -> dict[str, Any]:
        with self._running(system) as server:
            self._check(server)
            rates, num_errors = {}, 0
            for connections in GRID_CONNECTIONS:
                point = closed(server, self.mixed, connections, self.grid_timing)
                rates[str(connections)] = point["requests_per_s"]
                num_errors += sum(point["errors"].values())
        return {
            "setting": system.setting,
            "requests_per_s": rates,
            "total": sum(rates.values()),
            "errors": num_errors,
        }

    def _closed(self, server: Running) -> Iterator[dict[str, Any]]:
        for connections in CONNECTIONS:
            _say(f"{server.system.name}: {connections} connections")
            yield closed(server, self.mixed, connections, self.timing)

    def _long(self, server: Running) -> Any:
        _say(f"{server.system.name}: long documents")
        # each takes four times as long, and a batch of them seconds
        twice = Timing(2 * self.timing.seconds, self.timing.warm_up_s)
        return closed(server, self.long, BUSY, twice)

    def _arriving(self, server: Running, full: float) -> Iterator[dict[str, Any]]:
        for share in ARRIVALS if full else ():
            _say(f"{server.system.name}: {share * full:.1f} arrivals/s")
            yield arriving(server, self.mixed, share * full, self.timing)

    def _offline(self) -> dict[str, float]:
        _say(f"{NAME}: offline")
        each = (self.mixed, self.long)
        return {
            some.name: offline_rate(self.models.scorer, some, self.timing.seconds / 2)
            for some in each
        }


def best_setting(grid: Sequence[Mapping[str, Any]]) -> int:
    """Where the most requests a second were answered, all of them well. Raises LookupError."""
    sound = [i for i, entry in enumerate(grid) if not entry["errors"]]
    if not sound:
        raise LookupError("no setting answered every request")
    return max(sound, key=lambda i: float(grid[i]["total"]))


def capacity(system: dict[str, Any]) -> float:
    """Requests a second of mixed documents with BUSY connections."""
    return next(
        float(point["requests_per_s"])
        for point in system["points"]
        if point["documents"] == "mixed" and point.get("connections") == BUSY
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
