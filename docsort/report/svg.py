"""A matplotlib drawing to an SVG element of a page; knows nothing of what is drawn.

Colours are CSS variables of the page, so that a chart follows light and dark. matplotlib knows no
variables: it draws in stand-in colours, exchanged in the finished SVG.
"""

import io
import re
from collections.abc import Callable
from html import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

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


def svg(draw: Callable[[Axes], None], name: str, description: str) -> str:
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


def percent(*axis: Axis) -> None:
    """Shares in [0, 1] written as per cent along these axes."""
    for each in axis:
        each.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))
