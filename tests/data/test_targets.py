"""Labels to numbers, and what is refused."""

import pytest

from docsort.core.errors import DataError
from docsort.data.targets import as_targets


def test_unknown_labels_are_named_within_bounds() -> None:
    labels = [f"{n:04} " + "word " * 100 + "END" for n in range(200)]
    with pytest.raises(
        DataError, match=r"does not know 200 of the labels.* and 190 more"
    ) as caught:
        as_targets(labels, [f"known {n}" for n in range(300)], "single_label")
    assert len(str(caught.value)) < 1000
    assert "END" not in str(caught.value)


@pytest.mark.parametrize("labels", [[["a", "b"], ["a"]], [["a"], []]])
def test_lists_are_never_cut_to_their_first_label(labels: list[list[str]]) -> None:
    with pytest.raises(DataError, match="labels are lists, but the model gives one label"):
        as_targets(labels, ["a", "b"], "single_label")


def test_numbers_follow_the_names() -> None:
    assert as_targets(["b", "a"], ["a", "b"], "single_label").tolist() == [1, 0]
    both = as_targets([["b", "a"], []], ["a", "b"], "multi_label")
    assert both.tolist() == [[True, True], [False, False]]
