"""The loss at its best temperature, against the one that calibration would fit."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from docsort.report.calibration import fit_temperature
from lightning_modules.refined_loss import TEMPERATURES, LeastLoss, RefinedLoss, standard_error


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
    ("values", "expected"),
    [
        ([1.0], math.inf),
        ([1.0, 3.0], math.inf),
        ([1.0] * 29, math.inf),
        ([1.0, 3.0] * 15, 29**-0.5),
    ],
)
def test_error_of_a_few(values: list[float], expected: float) -> None:
    """The spread of fewer than 30 tells nothing of chance."""
    assert float(standard_error(torch.tensor(values))) == pytest.approx(expected)


def test_weights_decide_which_validation_is_better() -> None:
    """Four documents of a common label and one of a rare one: each model is unsure of one label."""
    targets = torch.tensor([0, 0, 0, 0, 1])
    unsure_of_rare = torch.tensor([[3.0, 0.0]] * 4 + [[0.0, 0.0]])
    unsure_of_common = torch.tensor([[0.0, 0.0]] * 2 + [[3.0, 0.0]] * 2 + [[0.0, 3.0]])
    losses = {}
    for weights in (None, torch.tensor([0.625, 2.5])):
        for logits in (unsure_of_rare, unsure_of_common):
            metric = RefinedLoss("single_label", weights)
            metric.update(logits, targets)
            losses[weights is None, logits is unsure_of_rare] = float(metric.compute().loss)
    assert losses[True, True] < losses[True, False]
    assert losses[False, True] > losses[False, False]


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_weights_are_those_of_the_training_loss(logits_DC: torch.Tensor, task: str) -> None:
    generator = torch.Generator().manual_seed(1)
    weights_C = torch.tensor([0.5, 1.0, 2.0, 4.0])
    if task == "single_label":
        targets = torch.multinomial(logits_DC.softmax(1), 1, generator=generator)[:, 0]
        expected = min(
            float(F.cross_entropy(logits_DC / t, targets, weights_C)) for t in TEMPERATURES
        )
    else:
        targets = torch.rand(500, 4, generator=generator) < logits_DC.sigmoid()
        expected = min(
            float(
                F.binary_cross_entropy_with_logits(
                    logits_DC / t, targets.float(), pos_weight=weights_C
                )
            )
            for t in TEMPERATURES
        )
    metric = RefinedLoss(task, weights_C)
    metric.update(logits_DC, targets)
    assert float(metric.compute().loss) == pytest.approx(expected, rel=1e-5)


def test_a_label_that_weighs_twice_is_one_seen_twice(
    logits_DC: torch.Tensor, targets: torch.Tensor
) -> None:
    """But says no more of chance: the error is larger than that of twice the documents."""
    weighted = RefinedLoss("single_label", torch.tensor([2.0, 1, 1, 1]))
    doubled = RefinedLoss("single_label")
    weighted.update(logits_DC, targets)
    again = targets == 0
    doubled.update(torch.cat([logits_DC, logits_DC[again]]), torch.cat([targets, targets[again]]))
    assert float(weighted.compute().loss) == pytest.approx(float(doubled.compute().loss))
    assert 1 < float(weighted.compute().error / doubled.compute().error) < 2**0.5


@pytest.mark.parametrize(("task", "least"), [("single_label", 1e-3), ("multi_label", 1e-3 / 4)])
def test_documents_that_are_all_surely_right_leave_some_error(task: str, least: float) -> None:
    """A thousandth of a document's loss; of several labels that is their mean, here of 4."""
    given = torch.arange(40) % 4
    several = F.one_hot(given, 4).bool()
    metric = RefinedLoss(task)
    metric.update(40.0 * several - 20, given if task == "single_label" else several)
    found = metric.compute()
    assert float(found.loss) < 1e-6
    assert float(found.error) == pytest.approx(least)


def test_a_few_documents_tell_nothing() -> None:
    least = LeastLoss()
    losses = [0.1, 9.0, math.nan, math.inf, 0.05, 9.0]
    admitted = [least.admits(loss, math.inf) for loss in losses]
    assert admitted == [True, True, False, False, True, True]
