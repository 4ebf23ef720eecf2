"""What is wanted of one model, and each change of it: literal states before and after."""

from dataclasses import replace

import pytest

from docsort.core.errors import ServingError
from docsort.serving.versions import Canary, WantedModel, WantedVersion, find_model

NOW = "2026-01-01T00:00:00+00:00"
ONE, TWO, THREE = (WantedVersion(v, f"m-{v}.mar", "f" * 64, NOW) for v in "123")
MODEL = WantedModel("m", "1", (ONE, TWO, THREE))


def test_promotion_remembers_the_default_and_ends_a_canary() -> None:
    promoted = replace(MODEL, canary=Canary("3", 10)).promoted("2")
    assert promoted == replace(MODEL, default="2", previous="1")
    assert promoted.promoted("3") == replace(MODEL, default="3", previous="2")


def test_a_second_rollback_does_not_bring_back_what_was_rolled_back() -> None:
    back = MODEL.promoted("2").with_canary("3", 10).rolled_back()
    assert back == MODEL
    with pytest.raises(ServingError, match="m has no previous default"):
        back.rolled_back()


def test_a_canary_begins_changes_and_ends() -> None:
    begun = MODEL.with_canary("2", 10)
    assert begun == replace(MODEL, canary=Canary("2", 10))
    assert [begun.canary_percent(version) for version in "123"] == [0, 10, 0]
    assert begun.with_canary("3", 50).canary == Canary("3", 50)
    assert begun.with_canary("2", 0) == MODEL


def test_a_withdrawn_canary_is_remembered_until_a_later_change() -> None:
    withdrawn = MODEL.with_canary("2", 10).with_canary_withdrawn()
    assert withdrawn == replace(MODEL, withdrawn="2")
    assert withdrawn.with_canary("2", 10) == MODEL.with_canary("2", 10)
    assert withdrawn.promoted("3") == MODEL.promoted("3")
    assert withdrawn.promoted("3").rolled_back().withdrawn is None
    assert withdrawn.with_canary("2", 0) == MODEL
    assert withdrawn.without("3").withdrawn == "2"
    assert withdrawn.without("2") == MODEL.without("2")


def test_what_retires_is_no_longer_gone_back_to() -> None:
    assert MODEL.without("3") == replace(MODEL, versions=(ONE, TWO))
    assert MODEL.promoted("2").without("1") == WantedModel("m", "2", (TWO, THREE))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: MODEL.promoted("1"), "m 1 is the default already"),
        (lambda: MODEL.promoted("4"), "m has no version 4; it has 1, 2, 3"),
        (lambda: MODEL.with_canary("1", 10), "m 1 is the default"),
        (lambda: MODEL.with_canary("2", 100), "--percent 100 is not accepted"),
        (lambda: MODEL.with_canary("2", -1), "--percent -1 is not accepted"),
        (lambda: MODEL.with_canary("2", 0), "m 2 is no canary"),
        (lambda: MODEL.without("1"), "before it retires: docsort models promote m 3"),
        (
            lambda: replace(MODEL, versions=(ONE,)).without("1"),
            "; register another version, promote",
        ),
        (lambda: MODEL.with_canary("2", 10).without("2"), "canary m 2 --percent 0"),
        (lambda: MODEL.with_version(TWO), "each named once"),
        (lambda: replace(MODEL, previous="1"), "its previous default 1 must be one of"),
        (lambda: find_model([MODEL], "n"), "no model n; there are m"),
    ],
)
def test_refused(change: object, said: str) -> None:
    assert callable(change)
    with pytest.raises(ServingError, match=said):
        change()
