"""The report's charts: values to SVG; computes nothing, knows nothing of runs or pages.

No label or document text is ever drawn: names and keys belong into the HTML around a chart, where
they are escaped and any script has its glyphs.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from docsort.report.calibration import Reliability
from docsort.report.curves import Coverage, LengthBin, PrecisionRecall
from docsort.report.results import LearningPoint
from docsort.report.svg import ACCENT, MUTED, THIRD, WARM, percent, svg

HIGHLIGHTS = (WARM, ACCENT, THIRD)


def learning_losses(points: Sequence[LearningPoint]) -> str:
    """Training and validation loss over epochs."""

    def draw(axes: Axes) -> None:
        _series(axes, points, "train_loss", MUTED)
        _series(axes, points, "val_loss", ACCENT, marker="o")
        axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))

    return svg(draw, "learning-loss", "Training and validation loss over epochs")


def learning_f1(points: Sequence[LearningPoint]) -> str:
    """Validation macro F1 over epochs."""

    def draw(axes: Axes) -> None:
        _series(axes, points, "val_macro_f1", ACCENT, marker="o")
        axes.set(xlabel="epoch", ylabel="macro F1 on validation")
        percent(axes.yaxis)

    return svg(draw, "learning-f1", "Validation macro F1 over epochs")


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
        percent(axes.xaxis, axes.yaxis)

    return svg(draw, "precision-recall", "Precision against recall, a curve for each label")


def reliability_diagram(after: Reliability, before: Reliability | None = None) -> str:
    """What came true against the confidence given, beside the diagonal of honest confidence."""

    def draw(axes: Axes) -> None:
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        if before is not None:
            _dots(axes, before, WARM, hollow=True)
        _dots(axes, after, ACCENT)
        axes.set(xlabel="confidence", ylabel="came true", xlim=(0, 1.02), ylim=(0, 1.02))
        percent(axes.xaxis, axes.yaxis)

    return svg(draw, "reliability", "Share that came true against the confidence given")


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
        percent(axes.xaxis, axes.yaxis)

    return svg(draw, "coverage", "Accuracy against the share of documents decided")


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
        percent(axes.yaxis)

    return svg(draw, "length", "Accuracy by document length")


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
        clip_on=False,  # at 100% half of a dot would be cut off
    )


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
