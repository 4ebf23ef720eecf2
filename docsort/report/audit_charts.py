"""The audit's charts: values to SVG; computes nothing. As in charts.py, no label is ever drawn."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from docsort.data.token_lengths import TokenLengths
from docsort.report.svg import ACCENT, THIRD, WARM, svg

# The same keys as everywhere on a page: key-1, key-0, key-2.
SPLIT_COLORS = {"train": ACCENT, "val": WARM, "test": THIRD}
# Beyond so many times the rarest label's documents, even steps would hide the rare ones.
MAX_EVEN_RATIO = 20


def label_counts(counts: Mapping[str, Sequence[int]]) -> str:
    """Documents of each label in each split, labels in the given order."""

    def draw(axes: Axes) -> None:
        num_labels = len(counts["train"])
        places = np.arange(1, num_labels + 1)
        for name, color in SPLIT_COLORS.items():
            marker = "o" if num_labels <= 40 else None
            axes.plot(places, counts[name], color=color, marker=marker, markersize=4)
        axes.set(xlabel="labels, commonest first", ylabel="documents", xlim=(0, num_labels + 1))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        highest = max(max(each) for each in counts.values())
        if highest > MAX_EVEN_RATIO * max(1, min(counts["train"])):
            axes.set_yscale("symlog", linthresh=1)  # a logarithm that has room for none
            axes.set_ylim(0, 2 * highest)
        else:
            axes.set_ylim(0, 1.08 * highest)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))

    return svg(draw, "label-counts", "Documents of each label in train, val and test")


def token_histogram(lengths: TokenLengths) -> str:
    """Documents by their number of tokens, with what one window holds and what is read at most."""

    def draw(axes: Axes) -> None:
        edges = np.array(lengths.edges)
        axes.bar(edges[:-1], lengths.counts, np.diff(edges), align="edge", color=ACCENT)
        axes.set_xscale("log")
        for place, color in ((lengths.capacity, WARM), (lengths.limit, THIRD)):
            axes.axvline(place, color=color, linewidth=1.8, linestyle=(0, (4, 3)))
        furthest = max(edges[-1], 1.25 * lengths.limit)
        axes.set(xlabel="tokens in the document", ylabel="documents", xlim=(edges[0], furthest))
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
        axes.grid(visible=False, axis="x")

    return svg(draw, "token-lengths", "Documents by their number of tokens")
