"""The marker that each test gets by itself, and the summary of skipped tests."""

import pytest

from tests.support.kinds import KINDS, kind_of
from tests.support.skips import reason_counts


@pytest.mark.parametrize(
    ("fixtures", "names", "kind"),
    [
        (["tmp_path"], ["Path"], "unit"),
        (["tmp_path", "trained"], ["Path"], "training"),
        (["tmp_path", "server"], ["Path"], "server"),
        (["tmp_path", "open_wall"], ["Path"], "server"),
        (["tmp_path"], ["start_server"], "server"),
        (["tmp_path", "server", "trained"], [], "server"),
        (["engine_program", "server"], [], "container"),
    ],
)
def test_marker_follows_from_fixtures_and_imports(
    fixtures: list[str], names: list[str], kind: str
) -> None:
    assert kind_of(fixtures, names) == kind


@pytest.mark.browser
def test_a_marker_that_is_given_is_the_only_one(request: pytest.FixtureRequest) -> None:
    assert [kind for kind in KINDS if request.node.get_closest_marker(kind)] == ["browser"]


def test_this_test_is_marked_as_unit(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("unit")


def test_skipped_tests_are_counted_by_reason() -> None:
    reasons = ["no engine", "no GPU", "no engine"]
    reports = [
        pytest.TestReport(
            "a", ("a", 1, "a"), {}, "skipped", ("a.py", 1, f"Skipped: {reason}"), "call"
        )
        for reason in reasons
    ]
    assert reason_counts(reports) == ["2 skipped: no engine", "1 skipped: no GPU"]
