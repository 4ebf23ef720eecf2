"""The page in a real Chromium: its console stays silent, its charts are drawn, a phone shows it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report.conftest import page_of

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium (Debian: chromium)")

CHARTS = [
    "coverage",
    "reliability",
    "precision-recall",
    "length",
    "learning-loss",
    "learning-f1",
]
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


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_console_is_silent_and_no_chart_is_missing(make_run, make_multi_label_run, tmp_path, kind):
    run = (make_run if kind == "single" else make_multi_label_run)(
        ahead=False, texts=["<script>alert(1)</script><img src=x>"] * 300
    )
    page = tmp_path / "report.html"
    page.write_text(page_of(run), encoding="utf-8")
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    assert re.findall(r'data-chart="([^"]+)"', dom) == CHARTS
    assert "</html>" in dom


def test_the_console_would_have_told(make_run, tmp_path):
    """The check above can fail: what the policy forbids shows in the console."""
    page = tmp_path / "report.html"
    forbidden = '<img src="a.png"><script>1</script></body>'
    page.write_text(page_of(make_run()).replace("</body>", forbidden), encoding="utf-8")
    _, console = browse(page, tmp_path / "profile")
    assert len(console) == 2
    assert all("Content Security Policy" in line for line in console)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("num_labels", [4, 77])
def test_charts_are_drawn_and_nothing_sticks_out(make_run, tmp_path, width, num_labels):
    long_word = "unbroken" * 40
    run = make_run(
        num_labels=num_labels,
        ahead=False,
        labels=tuple(f"a label with a rather long name, number {c}" for c in range(num_labels)),
        texts=[long_word] * 300,
        title=long_word,
    )
    seen = look(page_of(run), width, tmp_path)
    assert seen["page"] <= width
    assert [chart["name"] for chart in seen["charts"]] == CHARTS
    for chart in seen["charts"]:
        assert 250 < chart["width"] <= 520
        assert 150 < chart["height"] <= 360
        assert chart["lines"] > 5


def test_dark_and_light_differ_and_charts_follow(make_run, tmp_path):
    report = page_of(make_run())
    light = look(report, 900, tmp_path)
    dark = look(report, 900, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert light["paper"] != dark["paper"]
    assert not set(light["colors"]) & set(dark["colors"])
