"""The page in a real Chromium: its console stays silent, its charts are drawn, a phone shows it."""

import re

import pytest

from tests.report.browser import browse, check_drawn, look
from tests.report.conftest import page_of

pytestmark = pytest.mark.browser

CHARTS = [
    "coverage",
    "reliability",
    "precision-recall",
    "length",
    "learning-loss",
    "learning-f1",
]


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
    check_drawn(seen, CHARTS, width)


def test_dark_and_light_differ_and_charts_follow(make_run, tmp_path):
    report = page_of(make_run())
    light = look(report, 900, tmp_path)
    dark = look(report, 900, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert light["paper"] != dark["paper"]
    assert not set(light["colors"]) & set(dark["colors"])
