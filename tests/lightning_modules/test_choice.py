"""Which validation is kept, and the standard error that decides it against resampled documents."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from lightning_modules.choice import Choice, MulticlassF1Error, MultilabelF1Error


@pytest.mark.parametrize(
    ("scores", "standings"),
    [
        ([0.5, 0.6, 0.7], [1, 2, 3]),
        ([0.7, 0.68, 0.6], [1, 2, -1]),  # within the error of the best; not within it
        ([0.7, 0.67, 0.9, 0.71], [1, -1, 3, -1]),
        # drifting down step by step does not move the mark
        ([0.7, 0.685, 0.67], [1, 2, -1]),
        ([0.0, 0.0], [1, 2]),
    ],
)
def test_the_last_of_the_best_stands_highest(scores: list[float], standings: list[int]) -> None:
    choice = Choice()
    assert [choice.standing(score, error=0.02) for score in scores] == standings


def test_a_resumed_run_goes_on_with_its_standings() -> None:
    before, after = Choice(), Choice()
    before.standing(0.9, 0.02)
    after.load_state_dict(before.state_dict())
    assert [after.standing(0.5, 0.02), after.standing(0.89, 0.02)] == [-1, 3]


def resampled(truth: np.ndarray, predicted: np.ndarray, **options: object) -> float:
    rng = np.random.default_rng(1)
    rows = [rng.integers(len(truth), size=len(truth)) for _ in range(1000)]
    scores = [f1_score(truth[r], predicted[r], average="macro", **options) for r in rows]
    return float(np.std(scores))


def test_the_error_of_one_label_a_document() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(4, size=300, p=[0.6, 0.3, 0.07, 0.03])
    predicted = np.where(rng.random(300) < 0.8, truth, rng.integers(4, size=300))
    metric = MulticlassF1Error(4)
    metric.update(torch.tensor(predicted), torch.tensor(truth))
    assert float(metric.compute()) == pytest.approx(resampled(truth, predicted), rel=0.15)


def test_the_error_of_several_labels_a_document() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((300, 3)) < [0.5, 0.2, 0.05]
    predicted = truth ^ (rng.random((300, 3)) < 0.1)
    metric = MultilabelF1Error(3)
    metric.update(torch.tensor(predicted).int(), torch.tensor(truth).int())
    expected = resampled(truth, predicted, zero_division=0.0)
    assert float(metric.compute()) == pytest.approx(expected, rel=0.15)
