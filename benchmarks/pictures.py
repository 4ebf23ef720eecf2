"""A chart of docsort's reports as an SVG file that stands alone; knows nothing of what is drawn."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes

from docsort.report.svg import svg

# A page gives the chart its colours; a file has to bring them, for light and dark.
_STYLE = """<style>
:root { --ink: #22262b; --muted: #646b73; --line: #e2dfd7; --accent: #2c6e8f; --warm: #bf6433;
  --third: #7a5aa6; background: #ffffff; font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e4de; --muted: #9ba2a9; --line: #2f343a; --accent: #7db7d3; --warm: #e39a6a;
    --third: #b79ae0; background: #1b1f23; }
}
</style>"""


def write_picture(path: Path, draw: Callable[[Axes], None], description: str) -> None:
    """Draw into ``path``; the description is what a reader without pictures gets."""
    drawn = svg(draw, path.stem, description)
    opening, rest = drawn.split(">", 1)
    opening = opening.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    path.write_text(f"{opening}>{_STYLE}{rest}\n", encoding="utf-8")
