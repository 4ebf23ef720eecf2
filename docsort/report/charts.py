"""Values to SVG, drawn by matplotlib; computes nothing, knows nothing of runs or pages.

Colours are CSS variables of the page, so that a chart follows light and dark. matplotlib knows no
variables: it draws in stand-in colours, exchanged in the finished SVG. No label or document text
is ever drawn: names belong into the HTML around a chart, where they are escaped and any script
has its glyphs.
"""

import io
import re
from collections.abc import Callable, Sequence
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from docsort.report.results import LearningPoint

INK, MUTED, LINE, ACCENT, WARM, THIRD = (
    "#010101",
    "#020202",
    "#030303",
    "#040404",
    "#050505",
    "#060606",
)
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    WARM: "var(--warm)",
    THIRD: "var(--third)",
}
HIGHLIGHTS = (WARM, ACCENT, THIRD)
# 5 inches are 360 points: on a 360 pixel phone a point is about a pixel, so 11 stays readable.
_SIZE_INCHES = (5.0, 3.1)
_STYLE = {
    "svg.hashsalt": "docsort",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.fontsize": 11,
}


def learning_losses(points: Sequence[LearningPoint]) -> str:
    """Training and validation loss over epochs."""

    def draw(axes: Axes) -> None:
        _series(axes, points, "train_loss", MUTED, "training")
        _series(axes, points, "val_loss", ACCENT, "validation", marker="o")
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
        axes.legend(loc="upper right")

    return _svg(draw, "learning-loss", "Training and validation loss over epochs")


def learning_f1(points: Sequence[LearningPoint]) -> str:
    """Validation macro F1 over epochs."""

    def draw(axes: Axes) -> None:
        _series(axes, points, "val_macro_f1", ACCENT, "validation", marker="o")
        axes.set(xlabel="epoch", ylabel="macro F1 on validation")
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))

    return _svg(draw, "learning-f1", "Validation macro F1 over epochs")


def _series(
    axes: Axes,
    points: Sequence[LearningPoint],
    name: str,
    color: str,
    label: str,
    marker: str | None = None,
) -> None:
    measured = [point for point in points if getattr(point, name) is not None]
    axes.plot(
        [point.epoch for point in measured],
        [getattr(point, name) for point in measured],
        color=color,
        label=label,
        marker=marker if marker or len(measured) > 1 else "o",
        markersize=4,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def _svg(draw: Callable[[Axes], None], name: str, description: str) -> str:
    """One chart as an <svg> element for use inside HTML, the same bytes for the same values."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return _for_page(buffer.getvalue(), name, description)


def _for_page(drawn: str, name: str, description: str) -> str:
    """matplotlib's file as a part of a page: no prologue, own ids, the page's colours."""
    body = drawn[drawn.index("<svg") :]
    # Its style element would hold for every picture of the page.
    body = re.sub(r"<style.*?</style>|<metadata.*?</metadata>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'href="#|url\(#', lambda found: f"{found[0]}{name}-", body)
    for stand_in, variable in _VARIABLES.items():
        body = body.replace(stand_in, variable)
    view_box = re.search(r'viewBox="[^"]*"', body)
    if view_box is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    opening = (
        f'<svg class="chart" data-chart="{name}" role="img" '
        f'aria-label="{escape(description)}" {view_box[0]}>'
    )
    return opening + body[body.index(">") + 1 :].strip()
