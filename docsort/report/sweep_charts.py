"""A sweep's values to SVG, in charts.py's manner: names and categories stay in the page's HTML."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from docsort.report.svg import ACCENT, MUTED, WARM, percent, svg
from docsort.report.sweep_results import SweepRun

# from this ratio of the largest to the smallest value on, an axis is logarithmic
_LOG_RATIO = 15.0


def score_by_run(runs: Sequence[SweepRun]) -> str:
    """Each run's score, and the best so far; pruned runs at the score they were stopped with."""

    def draw(axes: Axes) -> None:
        finished = [(run.number, run.score) for run in runs if run.score is not None]
        numbers, scores = zip(*finished, strict=True)
        axes.step(numbers, np.maximum.accumulate(scores), where="post", color=MUTED, linewidth=0.9)
        axes.scatter(numbers, scores, color=ACCENT, s=34, zorder=3)
        pruned = [(r.number, r.validations[-1]) for r in runs if r.state == "pruned"]
        if pruned:
            numbers, scores = zip(*pruned, strict=True)
            axes.scatter(numbers, scores, color=WARM, marker="x", s=34, zorder=3)
        axes.set(xlabel="run", ylabel="macro F1 on validation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        percent(axes.yaxis)

    return svg(draw, "score-by-run", "Validation macro F1 of each run")


def validations(runs: Sequence[SweepRun]) -> str:
    """Every run's validations, the pruned ones' coloured."""

    def draw(axes: Axes) -> None:
        for run in runs:
            if run.validations:
                color = WARM if run.state == "pruned" else ACCENT
                places = range(1, len(run.validations) + 1)
                axes.plot(places, run.validations, color=color, marker="o", markersize=3, alpha=0.7)
        axes.set(xlabel="validation", ylabel="macro F1 on validation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        percent(axes.yaxis)

    return svg(draw, "validations", "Macro F1 of each run, validation by validation")


def score_by_number(values: Sequence[float], scores: Sequence[float], place: int) -> str:
    """Scores against a setting that is a number; ``place`` tells the page's charts apart."""

    def draw(axes: Axes) -> None:
        axes.scatter(values, scores, color=ACCENT, s=34, alpha=0.85)
        if min(values) > 0 and max(values) / min(values) >= _LOG_RATIO:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.set(xlabel="value", ylabel="macro F1 on validation")
        percent(axes.yaxis)

    return svg(draw, f"parameter-{place}", "Validation macro F1 against a setting's value")


def score_by_category(
    categories: Sequence[str], values: Sequence[str], scores: Sequence[float], place: int
) -> str:
    """Scores for each category, numbered from 1 in the order of ``categories``."""

    def draw(axes: Axes) -> None:
        numbers = [categories.index(value) + 1 for value in values]
        axes.scatter(numbers, scores, color=ACCENT, s=34, alpha=0.85)
        axes.set(xlabel="choice", ylabel="macro F1 on validation")
        axes.set(xlim=(0.5, len(categories) + 0.5))
        axes.set_xticks(range(1, len(categories) + 1))
        percent(axes.yaxis)

    return svg(draw, f"parameter-{place}", "Validation macro F1 for each choice of a setting")
