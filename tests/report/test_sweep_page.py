"""A sweep's page: what it says, that it escapes, and that a real Chromium shows it whole."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from docsort.report.sweep_page import render_sweep
from docsort.report.sweep_results import Sweep, SweepRun
from tests.report.test_page_in_browser import browse, look

CHARTS = ["parameter-0", "parameter-1", "score-by-run", "validations"]
HOSTILE = "<script>alert(1)</script>" + "unbroken" * 20


@pytest.fixture
def sweep() -> Sweep:
    """Nine runs of every kind over a number and a category."""
    runs = [
        run(
            number,
            {"model.optimizer.lr": f"{1e-5 * 3**number}", "model": f"model {number % 2}"},
            0.7 + 0.02 * number,
        )
        for number in range(6)
    ]
    settings = runs[0].parameters
    pruned = SweepRun(6, "pruned", settings, validations=(0.2, 0.3))
    failed = SweepRun(7, "failed", settings, note=HOSTILE)
    interrupted = SweepRun(8, "interrupted", settings)
    importance = {"model": 0.2, "model.optimizer.lr": 0.8}
    return Sweep("documents", (*runs, pruned, failed, interrupted), importance)


def run(number: int, parameters: dict[str, str], score: float) -> SweepRun:
    test = {"test/accuracy": 0.5 + number / 100}
    return SweepRun(number, "complete", parameters, score, 12.0, (score / 2, score), test=test)


def test_says_what_became_of_every_run(sweep: Sweep) -> None:
    page = render_sweep(sweep)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert "Of 9 runs: 6 finished, 1 stopped early as hopeless, 1 failed, 1 interrupted and" in text
    assert "The best on validation is run 5" in text
    rows = re.findall(r'<tr><td class="sticky">(\d)</td>.*?<span class="tag[^>]*>(\w+)', page)
    assert [number for number, _ in rows] == list("543210678")
    assert [state for _, state in rows] == ["best"] + ["complete"] * 5 + [
        "pruned",
        "failed",
        "interrupted",
    ]
    # the most important setting's chart comes first, and 1e-5 * 3**5 is shown in four digits
    assert page.index("model.optimizer.lr</h3>") < page.index("model</h3>")
    assert "0.00243" in text


def test_only_the_chosen_runs_test_figures_are_shown(sweep: Sweep) -> None:
    page = render_sweep(sweep)
    assert "55.0%" in page
    assert not [n for n in range(5) if f"{50 + n}.0%" in page]


def test_hostile_settings_are_escaped(sweep: Sweep) -> None:
    assert "<script" not in render_sweep(replace(sweep, title=HOSTILE))


def test_the_same_sweep_gives_the_same_page(sweep: Sweep) -> None:
    assert render_sweep(sweep) == render_sweep(sweep)


def test_a_sweep_without_a_score(sweep: Sweep) -> None:
    page = render_sweep(replace(sweep, runs=sweep.runs[7:8], importance={}))
    assert "None of them has a score" in page


def test_a_failed_fold_leaves_nothing_to_choose() -> None:
    lost = SweepRun(1, "failed", {"data.fold": "1"})
    page = render_sweep(Sweep("documents", (run(0, {"data.fold": "0"}, 0.8), lost), {}))
    assert "run 0" in page
    assert "test/accuracy" not in page


def test_the_best_run_wins_though_its_settings_failed_when_proposed_again() -> None:
    runs = (run(0, {"model": "a"}, 0.9), run(1, {"model": "b"}, 0.8))
    again = SweepRun(2, "failed", {"model": "a"})
    pruned = SweepRun(3, "pruned", {"model": "a"}, validations=(0.2,))
    page = render_sweep(Sweep("documents", (*runs, again, pruned), {}))
    assert "The best on validation is <strong>run 0</strong>" in page
    assert "50.0%" in page  # its test figure


def test_folds_show_mean_and_spread() -> None:
    runs = tuple(
        run(number, {"model.dropout": dropout, "data.fold": str(fold)}, score)
        for number, (dropout, fold, score) in enumerate(
            [("0.1", 0, 0.8), ("0.1", 1, 0.6), ("0.3", 0, 0.99), ("0.2", 0, 0.72), ("0.2", 1, 0.74)]
        )
    )
    lost = SweepRun(5, "failed", {"model.dropout": "0.3", "data.fold": "1"})
    page = render_sweep(Sweep("documents", (*runs, lost), {}))
    table = page[page.index('id="groups"') : page.index('id="course"')]
    cells = re.findall(r"<td[^>]*>(?:<[^>]+>)*([^<]*)", table)
    assert cells == [
        *("0.2", "2", "73.0%", "1.4%"),
        *("0.1", "2", "70.0%", "14.1%"),
        *("0.3", "2", "failed", "–"),  # its one good fold doesn't win
    ]
    assert "run 4" in page


def test_a_dark_phone_and_a_light_desktop_show_it_whole(sweep: Sweep, tmp_path: Path) -> None:
    page = render_sweep(replace(sweep, title=HOSTILE))
    phone = look(page, 360, tmp_path, "--blink-settings=preferredColorScheme=0")
    desktop = look(page, 1280, tmp_path)
    for width, seen in ((360, phone), (1280, desktop)):
        assert seen["page"] <= width
        assert [chart["name"] for chart in seen["charts"]] == CHARTS
        assert all(250 < chart["width"] <= 520 and chart["lines"] > 5 for chart in seen["charts"])
    assert phone["paper"] != desktop["paper"]
    assert not set(phone["colors"]) & set(desktop["colors"])


def test_its_console_is_silent(sweep: Sweep, tmp_path: Path) -> None:
    page = tmp_path / "sweep.html"
    page.write_text(render_sweep(sweep), encoding="utf-8")
    dom, console = browse(page, tmp_path / "profile")
    assert console == []
    assert "</html>" in dom
