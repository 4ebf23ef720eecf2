"""Class weights: by hand and against scikit-learn, in the loss, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from docsort.core.bundle import Manifest
from docsort.core.errors import ConfigError
from docsort.core.pretrained import load_pretrained
from docsort.core.probabilities import Task
from lightning_modules.class_weights import make_class_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.refined_loss import TEMPERATURES
from tests.lightning_modules.conftest import SETTINGS

LABELS = ("finance", "medicine", "sport")
Loss = Callable[..., float]
LOGITS_DC = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 0.5], [-0.5, 0.25, 1.5]])


def test_balanced_is_scikit_learns() -> None:
    truth = np.repeat([0, 1, 2], [70, 20, 10])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=truth)
    weights_C = make_class_weights("balanced", LABELS, (70, 20, 10), 100, "single_label")
    assert weights_C is not None
    np.testing.assert_allclose(weights_C, expected, rtol=1e-6)


def test_balanced_weighs_having_a_label_against_not_having_it() -> None:
    weights_C = make_class_weights("balanced", LABELS, (50, 20, 100), 100, "multi_label")
    assert weights_C is not None
    assert weights_C.tolist() == pytest.approx([1.0, 4.0, 0.01])


def test_a_label_that_is_not_named_weighs_one() -> None:
    weights_C = make_class_weights({"sport": 3}, LABELS, (1, 1, 1), 3, "single_label")
    assert weights_C is not None
    assert weights_C.tolist() == [1, 1, 3]
    assert make_class_weights(None, LABELS, (1, 1, 1), 3, "single_label") is None


def test_a_weight_for_a_label_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"class_weights names 1 .*'sports'; there are 'finance'"):
        make_class_weights({"sports": 3.0}, LABELS, (1, 1, 1), 3, "single_label")


@pytest.mark.parametrize("wrong", ["even", {"sport": 0}, {"sport": "3"}, {"sport": True}, 3])
def test_impossible_settings(wrong: object) -> None:
    with pytest.raises(ConfigError, match=r"model\.class_weights=.*is not accepted"):
        replace(SETTINGS, class_weights=wrong)


@pytest.fixture(scope="module")
def loss(tiny_bert: Path) -> Loss:
    """The loss of LOGITS_DC for a task, weights, smoothing and targets."""
    pretrained = load_pretrained(str(tiny_bert))

    def of(
        task: Task, weights_C: torch.Tensor | None, smoothing: float, targets: list[Any]
    ) -> float:
        settings = replace(SETTINGS, label_smoothing=smoothing)
        module = DocumentClassification(
            pretrained, Manifest(task, LABELS, 16, 4, 4), settings, weights_C
        )
        return module.loss(LOGITS_DC, torch.tensor(targets)).item()

    return of


def test_a_documents_label_sets_its_weight_in_the_loss(loss: Loss) -> None:
    truth, weights_C = [0, 2, 2], torch.tensor([1.0, 2.0, 5.0])
    each_D = F.cross_entropy(LOGITS_DC, torch.tensor(truth), reduction="none")
    by_hand = (each_D[0] + 5 * each_D[1] + 5 * each_D[2]) / 11
    assert loss("single_label", weights_C, 0.0, truth) == pytest.approx(by_hand.item())
    assert loss("single_label", None, 0.0, truth) == pytest.approx(each_D.mean().item())


def test_several_labels_weigh_what_is_there(loss: Loss) -> None:
    truth = [[True, False, False], [False, True, True], [False, False, True]]
    yes_DC, no_DC = -F.logsigmoid(LOGITS_DC), -F.logsigmoid(-LOGITS_DC)
    weighted_DC = torch.where(torch.tensor(truth), torch.tensor([1.0, 2.0, 5.0]) * yes_DC, no_DC)
    given = loss("multi_label", torch.tensor([1.0, 2.0, 5.0]), 0.0, truth)
    assert given == pytest.approx(weighted_DC.mean().item())


def test_the_loss_that_chooses_a_checkpoint_knows_the_weights(tiny_bert: Path) -> None:
    manifest, weights_C = Manifest("single_label", LABELS, 16, 4, 4), torch.tensor([1.0, 2.0, 5.0])
    module = DocumentClassification(load_pretrained(str(tiny_bert)), manifest, SETTINGS, weights_C)
    truth = torch.tensor([0, 2, 2])
    module.val_refined_loss.update(LOGITS_DC, truth)
    least = min(module.loss(LOGITS_DC / t, truth).item() for t in TEMPERATURES)
    assert module.val_refined_loss.compute().loss.item() == pytest.approx(least)


def test_label_smoothing_spreads_a_share_of_the_truth(loss: Loss) -> None:
    """Szegedy et al. 2016 (arXiv:1512.00567): 1 - s on the label, s / C on every one."""
    log_p_DC = LOGITS_DC.log_softmax(dim=1)
    right_D = log_p_DC[torch.arange(3), torch.tensor([0, 2, 2])]
    by_hand = -(0.9 * right_D + 0.1 * log_p_DC.mean(dim=1)).mean()
    assert loss("single_label", None, 0.1, [0, 2, 2]) == pytest.approx(by_hand.item())
    truth_DC = torch.tensor([[True, False, False], [False, True, True], [False, False, True]])
    target_DC = torch.where(truth_DC, 0.95, 0.05)
    yes_DC, no_DC = -F.logsigmoid(LOGITS_DC), -F.logsigmoid(-LOGITS_DC)
    by_hand = (target_DC * yes_DC + (1 - target_DC) * no_DC).mean()
    assert loss("multi_label", None, 0.1, truth_DC.tolist()) == pytest.approx(by_hand.item())
