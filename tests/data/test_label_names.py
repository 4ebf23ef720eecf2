"""Labels that look alike, or that say that there is none."""

import pytest

from docsort.core.errors import DataError
from docsort.data.label_names import likeness_told, look_alike, may_mean_missing
from docsort.data.targets import as_targets

CAFES = [
    "café",
    "CAFÉ",
    "ca fé",
    "ca  fé",
    "cafe\u0301",
    "café\u200b",
    "caf\u00ad\u00e9",
    "ｃａｆé",
]


@pytest.mark.parametrize("variant", CAFES[1:])
def test_a_variant_of_a_label_looks_like_it(variant: str) -> None:
    assert look_alike(["sport", variant, "café"]) == (tuple(sorted([variant, "café"])),)
    told = likeness_told([variant, "other"], ["sport", "café"])
    assert told == f" Of these, {variant!a} looks like 'caf\\xe9'."


def test_labels_that_differ_otherwise_do_not_look_alike() -> None:
    names = ["cafe", "café", "cafés", "+", "-", "c", "c++", "c#"]
    assert look_alike(names) == ()
    assert likeness_told(["cafe"], names[1:]) == ""


def test_words_and_signs_for_a_missing_label() -> None:
    missing = ["nan", "NaN", "N/A", "#N/A", "<NA>", "None", "null", "-", "--", "?", "Unknown"]
    assert may_mean_missing([*missing, "+", "nano", "a-b", "known"]) == tuple(missing)


def test_an_unknown_label_is_told_from_the_known_one_that_it_looks_like() -> None:
    with pytest.raises(DataError, match=r"'cafe\\u0301' looks like 'caf\\xe9'\. Is data"):
        as_targets(["cafe\u0301"], ["café", "sport"], "single_label")
