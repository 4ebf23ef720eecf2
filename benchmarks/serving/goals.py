"""What the measurement was made for: docsort against its own offline rate and the best peer."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.serving.docsort_system import NAME
from benchmarks.serving.summary import FAILED

OFFLINE_CONNECTIONS = 32
OFFLINE_GOAL = 0.85
OTHER_WEIGHTS = "MiniLM with an untrained layer"


def goal_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """Sentences; none where docsort was not measured, no ratios where it served other weights."""
    docsort = result["systems"].get(NAME)
    if docsort is None:
        return
    ours = _by_connections(docsort)
    share = ours[OFFLINE_CONNECTIONS]["requests_per_s"] / docsort["offline"]["mixed"]
    yield (
        f"At {OFFLINE_CONNECTIONS} connections docsort serves {share:.0%} of its own offline rate "
        f"of {docsort['offline']['mixed']} documents/s (goal: {OFFLINE_GOAL:.0%} or more)."
    )
    peers = {name: _by_connections(s) for name, s in result["systems"].items() if name != NAME}
    if peers and "bundle" in result:
        yield from (
            "",
            f"docsort served the bundle {result['bundle']}, the others {OTHER_WEIGHTS}: "
            "their figures say nothing of each other.",
        )
        return
    for connections, point in ours.items() if peers else ():
        others = {name: points[connections] for name, points in peers.items()}
        yield from ("", f"At {connections} connections: {_against(point, others)}.")


def _by_connections(system: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    return {
        point["connections"]: point
        for point in system["points"]
        if point["mode"] == "closed" and point["documents"] == "mixed"
    }


def _against(ours: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    """The best peer of each figure, which need not be the same."""
    fastest = max(others, key=lambda name: others[name]["requests_per_s"])
    ratio = ours["requests_per_s"] / max(others[fastest]["requests_per_s"], 1e-9)
    parts = [f"{ratio:.2f} x the requests/s of {fastest}"]
    for field, what in (("latency_ms", "p99"), ("short_latency_ms", "p99 of short documents")):
        found = {name: p[field].get("p99", FAILED) for name, p in others.items()}
        known = {name: p99 for name, p99 in found.items() if p99 != FAILED}
        own = ours[field].get("p99")
        if own == FAILED:
            parts.append(f"{what} failed")
        elif known and own is not None:
            best = min(known, key=known.__getitem__)
            parts.append(f"{own / known[best]:.2f} x the {what} of {best}")
    return "; ".join(parts)
