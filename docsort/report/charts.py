"""Values to SVG, drawn by matplotlib; computes nothing, knows nothing of runs or pages.

Colours are CSS variables of the page, so that a chart follows light and dark. matplotlib knows no
variables: it draws in stand-in colours, exchanged in the finished SVG. No label or document text
is ever drawn: names and keys belong into the HTML around a chart, where they are escaped and any
script has its glyphs.
"""

import io
import re
from collections.abc import Callable, Sequence
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from docsort.report.calibration import Reliability
from docsort.report.curves import Coverage, LengthBin, PrecisionRecall
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
# 324 points wide: on a 360 pixel phone a point is about a pixel, so that size 11 stays readable.
_SIZE_INCHES = (4.5, 2.9)
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
    "xtick.major.pad": 7,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
}


def learning_losses(points: Sequence[LearningPoint]) -> str:
    """Training and validation loss over epochs."""

    def draw(axes: Axes) -> None:
        _series(axes, points, "train_loss", MUTED)
        _series(axes, points, "val_loss", ACCENT, marker="o")
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))

    return _svg(draw, "learning-loss", "Training and validation loss over epochs")


def learning_f1(points: Sequence[LearningPoint]) -> str:
    """Validation macro F1 over epochs."""

    def draw(axes: Axes) -> None:
        _series(axes, points, "val_macro_f1", ACCENT, marker="o")
        axes.set(xlabel="epoch", ylabel="macro F1 on validation")
        _percent(axes.yaxis)

    return _svg(draw, "learning-f1", "Validation macro F1 over epochs")


def precision_recall_curves(
    curves: Sequence[PrecisionRecall], highlighted: Sequence[PrecisionRecall]
) -> str:
    """All labels' curves, quiet; the highlighted ones in HIGHLIGHTS' order of colours."""

    def draw(axes: Axes) -> None:
        for curve in curves:
            axes.plot(curve.recall, curve.precision, color=MUTED, linewidth=0.8, alpha=0.45)
        for curve, color in zip(highlighted, HIGHLIGHTS, strict=False):
            axes.plot(curve.recall, curve.precision, color=color)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
        _percent(axes.xaxis, axes.yaxis)

    return _svg(draw, "precision-recall", "Precision against recall, a curve for each label")


def reliability_diagram(after: Reliability, before: Reliability | None = None) -> str:
    """What came true against the confidence given, beside the diagonal of honest confidence."""

    def draw(axes: Axes) -> None:
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        if before is not None:
            _dots(axes, before, WARM, hollow=True)
        _dots(axes, after, ACCENT)
        axes.set(xlabel="confidence", ylabel="came true", xlim=(0, 1.02), ylim=(0, 1.02))
        _percent(axes.xaxis, axes.yaxis)

    return _svg(draw, "reliability", "Share that came true against the confidence given")


def coverage_curve(curve: Coverage) -> str:
    """Accuracy of the surest documents against the share of all documents decided."""

    def draw(axes: Axes) -> None:
        axes.plot(curve.share, curve.accuracy, color=ACCENT)
        # The first few documents' accuracy jumps about and would set the scale.
        settled = curve.accuracy[curve.share >= 0.05]
        lowest = float(settled.min()) if len(settled) else 0.0
        floor = max(0.0, lowest - 0.15 * (1 - lowest) - 0.002)
        axes.set(xlabel="documents decided, surest first", ylabel="accuracy on them")
        axes.set(xlim=(0, 1.01), ylim=(floor, 1 + 0.05 * (1 - floor)))
        _percent(axes.xaxis, axes.yaxis)

    return _svg(draw, "coverage", "Accuracy against the share of documents decided")


def length_bars(bins: Sequence[LengthBin]) -> str:
    """Accuracy with its interval for each range of document lengths."""

    def draw(axes: Axes) -> None:
        places = np.arange(len(bins))
        accuracy = np.array([each.accuracy for each in bins])
        errors = np.array(
            [
                [each.accuracy - each.low_95 for each in bins],
                [each.high_95 - each.accuracy for each in bins],
            ]
        )
        axes.errorbar(
            places, accuracy, errors.clip(min=0), fmt="o", color=ACCENT, markersize=6, linewidth=1.6
        )
        axes.set_xticks(places, [f"≤ {each.high}" for each in bins])
        floor = max(0.0, min(each.low_95 for each in bins) - 0.02)
        axes.set(xlabel="tokens in the document, up to", ylabel="accuracy")
        axes.set(ylim=(floor, 1 + 0.04 * (1 - floor)), xlim=(-0.6, len(bins) - 0.4))
        axes.grid(visible=False, axis="x")
        _percent(axes.yaxis)

    return _svg(draw, "length", "Accuracy by document length")


def _dots(axes: Axes, measured: Reliability, color: str, hollow: bool = False) -> None:
    """A dot for each bin, its area telling how much the bin holds."""
    axes.scatter(
        measured.confidence,
        measured.came_true,
        s=12 + 160 * np.sqrt(np.array(measured.share)),
        facecolor="none" if hollow else color,
        edgecolor=color,
        linewidth=1.4,
        alpha=0.85,
    )


def _percent(*axis: Axis) -> None:
    for each in axis:
        each.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))


def _series(
    axes: Axes,
    points: Sequence[LearningPoint],
    name: str,
    color: str,
    marker: str | None = None,
) -> None:
    measured = [point for point in points if getattr(point, name) is not None]
    axes.plot(
        [point.epoch for point in measured],
        [getattr(point, name) for point in measured],
        color=color,
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
    body = re.sub(r" font-family: [^;\"]*;", "", body)
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
