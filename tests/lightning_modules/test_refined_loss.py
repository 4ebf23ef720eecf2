"""The loss at its best temperature, against the one that calibration would fit."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from docsort.report.calibration import fit_temperature
from lightning_modules.refined_loss import LeastLoss, RefinedLoss, standard_error


def refined(logits_DC: torch.Tensor, targets: torch.Tensor, task: str = "single_label") -> float:
    """In two batches of different sizes."""
    metric = RefinedLoss(task)
    metric.update(logits_DC[:7], targets[:7])
    metric.update(logits_DC[7:], targets[7:])
    return float(metric.compute().loss)


@pytest.fixture
def logits_DC() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 3, (500, 4))).float()


@pytest.fixture
def targets(logits_DC: torch.Tensor) -> torch.Tensor:
    """Drawn as the logits say."""
    generator = torch.Generator().manual_seed(0)
    return torch.multinomial(logits_DC.softmax(1), 1, generator=generator)[:, 0]


def test_too_sure_of_itself_is_no_worse(logits_DC: torch.Tensor, targets: torch.Tensor) -> None:
    expected = refined(logits_DC, targets)
    assert refined(5 * logits_DC, targets) == pytest.approx(expected, abs=2e-3)
    assert F.cross_entropy(5 * logits_DC, targets) > 2 * expected


def test_one_label_a_document(logits_DC: torch.Tensor, targets: torch.Tensor) -> None:
    temperature = fit_temperature(logits_DC.numpy(), targets.numpy())
    expected = float(F.cross_entropy(logits_DC / temperature, targets))
    assert refined(logits_DC, targets) == pytest.approx(expected, abs=2e-3)


def test_several_labels_a_document(logits_DC: torch.Tensor) -> None:
    targets = torch.rand(500, 4, generator=torch.Generator().manual_seed(1)) < logits_DC.sigmoid()
    temperature = fit_temperature(logits_DC.numpy(), targets.numpy())
    expected = F.binary_cross_entropy_with_logits(logits_DC / temperature, targets.float())
    given = refined(logits_DC, targets, "multi_label")
    assert given == pytest.approx(float(expected), abs=2e-3)


def test_better_ordered_is_better(logits_DC: torch.Tensor, targets: torch.Tensor) -> None:
    noise = torch.from_numpy(np.random.default_rng(1).normal(0, 2, (500, 4))).float()
    assert refined(logits_DC + noise, targets) > refined(logits_DC, targets)


def test_error_is_that_of_the_mean(logits_DC: torch.Tensor, targets: torch.Tensor) -> None:
    """Twice the same documents say nothing new about the mean, and look surer of it."""
    once, twice = RefinedLoss("single_label"), RefinedLoss("single_label")
    once.update(logits_DC, targets)
    twice.update(logits_DC.repeat(2, 1), targets.repeat(2))
    losses_D = F.cross_entropy(logits_DC, targets, reduction="none")
    assert float(once.compute().error) == pytest.approx(float(losses_D.std()) / 500**0.5, rel=0.2)
    expected = float(once.compute().error) * (499 / 999) ** 0.5
    assert float(twice.compute().error) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "expected"), [([1.0], math.inf), ([1.0, 3.0], 1.0), ([1.0, 2.0, 3.0], 3**-0.5)]
)
def test_error_of_a_few(values: list[float], expected: float) -> None:
    assert float(standard_error(torch.tensor(values))) == pytest.approx(expected)


def test_one_document_tells_nothing() -> None:
    least = LeastLoss()
    losses = [0.1, 9.0, math.nan, math.inf, 0.05, 9.0]
    admitted = [least.admits(loss, math.inf) for loss in losses]
    assert admitted == [True, True, False, False, True, True]
