"""A sweep to one self-contained HTML page in the report's style; chooses and measures nothing.

As the report, it runs no script and loads nothing; jinja2 escapes settings, and charts hold none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from docsort.report import sweep_charts
from docsort.report.html import html_environment
from docsort.report.sweep_results import Sweep, SweepRun, short


@dataclass(frozen=True)
class ParameterChart:
    """Scores against one setting; ``categories`` are what the axis' numbers stand for."""

    name: str
    chart: Markup
    categories: tuple[str, ...]


def write_sweep_page(path: Path, sweep: Sweep) -> None:
    """Writes the page, UTF-8; its folder must exist."""
    path.write_text(render_sweep(sweep), encoding="utf-8")


def render_sweep(sweep: Sweep) -> str:
    """The page as text; the same sweep gives the same text."""
    environment = html_environment()
    environment.filters["short"] = short
    return environment.get_template("sweep.html.j2").render(
        sweep=sweep,
        counts=sweep.counts(),
        names=sweep.varied(),
        best=sweep.best(),
        chosen=sweep.chosen(),
        test=sweep.chosen_test(),
        repeated=sweep.repeated(),
        groups=sweep.groups(),
        ranked=sorted(sweep.runs, key=_rank),
        importance=sorted(sweep.importance.items(), key=lambda each: -each[1]),
        parameters=_parameter_charts(sweep),
        charts=_charts(sweep),
    )


def _rank(run: SweepRun) -> tuple[bool, float, int]:
    """Best score first; those without one after them, in their order."""
    return run.score is None, -(run.score or 0.0), run.number


def _charts(sweep: Sweep) -> dict[str, Markup]:
    drawn = {}
    if any(run.score is not None for run in sweep.runs):
        drawn["score"] = sweep_charts.score_by_run(sweep.runs)
    if any(run.validations for run in sweep.runs):
        drawn["validations"] = sweep_charts.validations(sweep.runs)
    return {name: Markup(svg) for name, svg in drawn.items()}


def _parameter_charts(sweep: Sweep) -> list[ParameterChart]:
    """The most important setting first."""
    names = sorted(sweep.varied(), key=lambda name: -sweep.importance.get(name, 0.0))
    finished = [run for run in sweep.runs if run.score is not None]
    charts = (_parameter_chart(name, place, finished) for place, name in enumerate(names))
    return [chart for chart in charts if chart]


def _parameter_chart(name: str, place: int, runs: Sequence[SweepRun]) -> ParameterChart | None:
    given = [(run.parameters[name], run.score or 0.0) for run in runs if name in run.parameters]
    values, scores = [value for value, _ in given], [score for _, score in given]
    if len(set(values)) < 2:
        return None
    numbers = _numbers(values)
    if numbers:
        chart = sweep_charts.score_by_number(numbers, scores, place)
        return ParameterChart(name, Markup(chart), ())
    categories = tuple(dict.fromkeys(sorted(values)))
    chart = sweep_charts.score_by_category(categories, values, scores, place)
    return ParameterChart(name, Markup(chart), categories)


def _numbers(values: Sequence[str]) -> list[float]:
    """The values as numbers; empty when one of them is none."""
    try:
        return [float(value) for value in values]
    except ValueError:
        return []
