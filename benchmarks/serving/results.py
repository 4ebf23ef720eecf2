"""A measurement to its files: JSON, a Markdown table, two pictures. Measures nothing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.pictures import write_picture
from benchmarks.serving.docsort_system import NAME
from benchmarks.serving.goals import goal_lines
from benchmarks.serving.summary import FAILED, SHORT_TOKENS
from benchmarks.tables import table
from docsort.report.svg import ACCENT, INK, MUTED, THIRD, WARM

_PEER_LOOKS = ((WARM, "s"), (THIRD, "^"), (INK, "D"), (MUTED, "v"))
Systems = Mapping[str, Mapping[str, Any]]


def write(result: Mapping[str, Any], folder: Path) -> str:
    """Write ``DATE-serving-DATA`` in ``folder``; the text of the table."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{date.today().isoformat()}-serving-{result['data'].removesuffix('.csv')}"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _draw(_docsort_first(result["systems"]), folder, name)
    text = "\n".join(_lines(result, name)) + "\n"
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return text


def _lines(result: Mapping[str, Any], name: str) -> Iterator[str]:
    mixed, long = result["documents"]["mixed"], result["documents"]["long"]
    systems = _docsort_first(result["systems"])
    yield from (
        f"# Serving, {date.today().isoformat()}",
        "",
        f"`{result['command']}` at {result['commit']}; {result['machine']}, {result['cores']} "
        f"cores, sgemm {result['sgemm_gflop_per_s']} GFLOP/s, load average "
        f"{result['load_average']:.1f} at the start. {result['data']}: {mixed['num']} documents, "
        f"asked for over and over, of {mixed['mean_tokens']} word pieces on average. Long: texts "
        f"joined, {long['mean_tokens']} word pieces on average. Each point counts "
        f"{result['seconds_a_point']} s; the run took {result['minutes']} minutes.",
        "",
        f"![Requests a second]({name}-rate.svg) ![Latency]({name}-p99.svg)",
        "",
        *goal_lines(result),
    )
    yield from _section("Clients that ask again at once (closed loop)", _closed_rows(systems))
    yield from _section("Requests at fixed mean rates (open loop)", _open_rows(systems))
    yield from _section("Long documents", _long_rows(systems))
    if NAME in systems:
        yield from _section("Where a request's time goes in docsort", _stage_rows(systems[NAME]))
        offline = systems[NAME]["offline_before_after"]
        said = "; ".join(
            f"{name}: {before} and {after}" for name, (before, after) in offline.items()
        )
        yield f"Offline, documents/s before and after docsort was served: {said}."
    yield from _section("The peers' grids, requests/s", _grid_rows(systems))
    for skipped, reason in result["skipped"].items():
        yield from ("", f"Skipped: {skipped}: {reason.splitlines()[0]}")


def _docsort_first(systems: Systems) -> Systems:
    return {name: systems[name] for name in sorted(systems, key=lambda name: name != NAME)}


def _section(title: str, rows: Sequence[Sequence[object]]) -> Iterator[str]:
    if len(rows) > 1:
        yield from ("", f"## {title}", "", *table(rows[0], rows[1:]), "")


def _points(system: Mapping[str, Any], mode: str, documents: str) -> list[dict[str, Any]]:
    return [p for p in system["points"] if (p["mode"], p["documents"]) == (mode, documents)]


_FIGURES = (
    "requests/s",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    f"p50, p99 ms under {SHORT_TOKENS} pieces",
    "CPU ms a request",
    "errors",
)


def _figures(point: Mapping[str, Any]) -> list[object]:
    all_ms, short_ms = point["latency_ms"], point["short_latency_ms"]
    return [
        point["requests_per_s"],
        *(all_ms.get(p, "-") for p in ("p50", "p95", "p99")),
        f"{short_ms.get('p50', '-')}, {short_ms.get('p99', '-')}",
        point["cpu_ms_per_answer"],
        " ".join(f"{count}x {status}" for status, count in point["errors"].items()) or 0,
    ]


def _closed_rows(systems: Systems) -> list[list[object]]:
    rows: list[list[object]] = [["system", "connections", *_FIGURES, "peak RSS MB", "setting"]]
    for name, system in systems.items():
        for point in _points(system, "closed", "mixed"):
            last = [point["peak_rss_mb"], system["setting"]]
            rows.append([name, point["connections"], *_figures(point), *last])
    return rows


def _open_rows(systems: Systems) -> list[list[object]]:
    rows: list[list[object]] = [["system", "arrivals/s", *_FIGURES]]
    for name, system in systems.items():
        for point in _points(system, "open", "mixed"):
            rows.append([name, point["arrivals_per_s"], *_figures(point)])
    return rows


def _long_rows(systems: Systems) -> list[list[object]]:
    rows: list[list[object]] = [["system", "connections", *_FIGURES]]
    for name, system in systems.items():
        for point in _points(system, "closed", "long"):
            rows.append([name, point["connections"], *_figures(point)])
    return rows


def _stage_rows(docsort: Mapping[str, Any]) -> list[list[object]]:
    stages = [stage for stage in docsort["stages"] if stage["requests"]]
    names = list(stages[0]["stage_ms"]) if stages else []
    heads = [f"{name.replace('_', ' ')} ms" for name in names]
    more = ("requests_per_pass", "tokenize_ms_per_document", "model_ms_per_document")
    rows: list[list[object]] = [
        ["connections", "request ms", *heads, *(each.replace("_", " ") for each in more)]
    ]
    for stage in stages:
        values = [stage["stage_ms"][name] for name in names] + [stage[each] for each in more]
        shown = ["-" if value is None else value for value in values]
        rows.append([stage["connections"], stage["request_ms"], *shown])
    return rows


def _grid_rows(systems: Systems) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, system in systems.items():
        for entry in system.get("grid", []):
            rates = entry["requests_per_s"]
            if not rows:
                rows.append(["system", "setting", *(f"{each} connections" for each in rates)])
            chosen = " (chosen)" if entry["setting"] == system["setting"] else ""
            errors = " (errors)" if entry.get("errors") else ""
            rows.append([name, entry["setting"] + chosen + errors, *rates.values()])
    return rows


def _draw(systems: Systems, folder: Path, name: str) -> None:
    def rate(axes: Axes) -> None:
        _lines_of(axes, systems, lambda point: point["requests_per_s"])
        axes.set(ylabel="requests/s", ylim=(0, None))

    def latency(axes: Axes) -> None:
        _lines_of(axes, systems, _p99_s)
        axes.set(ylabel="99 of 100 answered within, s", yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())

    write_picture(folder / f"{name}-rate.svg", rate, "Requests a second against connections")
    write_picture(folder / f"{name}-p99.svg", latency, "99th percentile against connections")


def _p99_s(point: Mapping[str, Any]) -> float | None:
    p99 = point["latency_ms"].get("p99", FAILED)
    return None if p99 == FAILED else p99 / 1000


def _lines_of(axes: Axes, systems: Systems, value: Any) -> None:
    looks = iter(_PEER_LOOKS)
    for name, system in systems.items():
        color, marker = (ACCENT, "o") if name == NAME else next(looks)
        points = [p for p in _points(system, "closed", "mixed") if value(p) is not None]
        connections = [point["connections"] for point in points]
        width = 2.6 if name == NAME else 1.4
        axes.plot(
            connections, list(map(value, points)), color=color, marker=marker, lw=width, label=name
        )
    axes.set_xscale("log", base=2)
    ticks = sorted(
        {p["connections"] for s in systems.values() for p in _points(s, "closed", "mixed")}
    )
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set(xlabel="connections")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=2)
