"""RunResults refuses pieces that don't fit together."""

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"labels": ("a", "b", "c")}, "4 columns for 3 labels"),
        ({"labels": ("a", "b", "c", "a")}, "a name twice"),
        ({"texts": ["one"]}, "texts has 1 entries; needed: 300"),
        ({"tokens": np.arange(5)}, "tokens has 5 entries"),
        ({"tokens": np.ones(300), "tokens_read": np.full(300, 2)}, "tokens_read is above tokens"),
        ({"leaked": np.zeros(2, bool)}, "leaked has 2 entries"),
        ({"thresholds": (0.5,)}, "thresholds has 1 entries; needed: 4"),
        ({"train_counts": (1, 2)}, "train_counts has 2 entries"),
        ({"baseline_probabilities": np.full((300, 2), 0.5)}, "outside 0..1"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_pieces_that_do_not_fit_are_refused(make_run, fields, said):
    with pytest.raises(ValueError, match=said):
        make_run(**fields)


def test_only_the_essentials_are_needed(make_run):
    nothing = dict.fromkeys(
        ("baseline_probabilities", "uncalibrated_probabilities", "tokens", "tokens_read", "rows")
    )
    assert make_run(**nothing, learning=(), train_counts=None).num_documents == 300
