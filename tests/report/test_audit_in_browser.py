"""The audit's page in a real Chromium, as test_page_in_browser.py looks at the report."""

import re

import pytest

from docsort.report.audit_page import render_audit
from tests.report.audits import make_audit, text_at
from tests.report.browser import browse, check_drawn, look

pytestmark = pytest.mark.browser

CHARTS = ["label-counts", "token-lengths"]


def test_console_is_silent_and_no_chart_is_missing(tmp_path):
    page = tmp_path / "audit.html"
    evil = "<script>alert(1)</script><img src=x>"
    page.write_text(render_audit(make_audit(), lambda *_: evil), encoding="utf-8")
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    assert re.findall(r'data-chart="([^"]+)"', dom) == CHARTS
    assert "</html>" in dom


@pytest.mark.parametrize(("width", "num_labels"), [(360, 77), (1280, 3)])
def test_charts_are_drawn_and_nothing_sticks_out(tmp_path, width, num_labels):
    page = render_audit(make_audit(num_labels, name="unbroken" * 40), lambda *_: "word" * 99)
    seen = look(page, width, tmp_path)
    check_drawn(seen, CHARTS, width)


def test_dark_and_light_differ_and_charts_follow(tmp_path):
    page = render_audit(make_audit(), text_at)
    light = look(page, 900, tmp_path)
    dark = look(page, 900, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert light["paper"] != dark["paper"]
    assert not set(light["colors"]) & set(dark["colors"])
