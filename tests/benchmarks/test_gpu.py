"""What the GPU's benchmark takes for a disagreement; it needs a GPU itself."""

from typing import Any

import pytest

from benchmarks.gpu import disagreements

RUN = {"train/epochs": 3.0, "test/accuracy": 0.9}


@pytest.mark.parametrize(
    ("resumed", "difference", "said"),
    [
        ({}, 1e-6, []),
        ({"train/epochs": 2.0}, 1e-6, ["other epochs"]),
        ({"test/accuracy": 0.8}, 1e-6, ["not as accurate"]),
        ({}, 1e-3, ["other probabilities"]),
        ({}, float("nan"), ["other probabilities"]),
        ({"train/epochs": 2.0}, 1e-3, ["other epochs", "other probabilities"]),
    ],
)
def test_disagreements(resumed: dict[str, float], difference: float, said: list[str]) -> None:
    found: dict[str, Any] = {
        "T4": RUN,
        "fp16, resumed": RUN | resumed,
        "CPU and GPU": {"largest_difference": difference},
    }
    wrong = disagreements(found)
    assert len(wrong) == len(said)
    assert all(part in line for part, line in zip(said, wrong, strict=True))
