"""A real Chromium, headless: what it makes of a page, what it complains of, what it draws."""

import html
import json
import re
import subprocess
from pathlib import Path

from tests.support.chromium import CHROMIUM

FLAGS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars
--disable-background-networking --disable-component-update --disable-sync
--enable-logging=stderr --virtual-time-budget=3000 --dump-dom
""".split()  # noqa: SIM905
# Runs inside a copy of the page without its policy, and tells the frame around it what it sees.
PROBE = """<script>
const seen = [...document.querySelectorAll("svg.chart")].map(chart => {
  const box = chart.getBoundingClientRect();
  const lines = [...chart.querySelectorAll("path, use")].filter(each => {
    const drawn = each.getBoundingClientRect();
    const style = getComputedStyle(each);
    return drawn.width + drawn.height > 0 && (style.stroke != "none" || style.fill != "none");
  });
  return {name: chart.dataset.chart, width: box.width, height: box.height, lines: lines.length};
});
const texts = [...document.querySelectorAll("svg.chart text")];
const colors = texts.map(each => getComputedStyle(each).fill);
parent.document.body.dataset.seen = JSON.stringify({
  charts: seen, page: document.documentElement.scrollWidth, colors: [...new Set(colors)],
  paper: getComputedStyle(document.body).backgroundColor});
</script></body>"""


def browse(page: Path, profile: Path, *flags: str) -> tuple[str, list[str]]:
    """The DOM that Chromium made of a page, and what it wrote to the console."""
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def look(report: str, width: int, folder: Path, *flags: str) -> dict:
    """Sizes and colours of a report in a frame ``width`` pixels wide."""
    policy_free = re.sub(r"<meta http-equiv=[^>]+>", "", report)
    probed = html.escape(policy_free.replace("</body>", PROBE))
    frame = folder / "frame.html"
    frame.write_text(
        f'<!doctype html><body><iframe style="width:{width}px;height:900px;border:0" '
        f'srcdoc="{probed}"></iframe></body>',
        encoding="utf-8",
    )
    dom, _ = browse(frame, folder / "profile", "--window-size=1400,1000", *flags)
    seen = re.search(r'<body data-seen="([^"]+)"', dom)
    assert seen is not None, "the probe did not run"
    return json.loads(html.unescape(seen[1]))


def check_drawn(seen: dict, charts: list[str], width: int) -> None:
    """All charts were seen, each of a readable size and with lines in it; nothing sticks out."""
    assert seen["page"] <= width
    assert [chart["name"] for chart in seen["charts"]] == charts
    for chart in seen["charts"]:
        assert 250 < chart["width"] <= 520
        assert 150 < chart["height"] <= 360
        assert chart["lines"] > 5
