"""Packed layers give what torch's own give, for every number of rows and every kind of encoder."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertModel

from docsort.core.classifier import DocumentClassifier
from docsort.core.packed import PackedLinear, pack_linear_layers
from docsort.core.pretrained import without_pooler
from docsort.core.scorer import Scorer
from docsort.core.windows import DocumentWindows, WindowPlan
from tests.core.test_pretrained import ENCODERS


@pytest.mark.parametrize("shape", [(1, 1, 32), (3, 7, 32), (65, 32), (2, 0, 32)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_gives_what_the_layer_gave(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(32, 48, bias=bias)
    inputs = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(linear)(inputs), linear(inputs))


def test_rows_that_are_not_contiguous() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(32, 48)
    inputs = torch.randn(5, 32, 7).transpose(1, 2)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(linear)(inputs), linear(inputs))


@pytest.mark.parametrize(
    "encoder", [each for each, _ in ENCODERS], ids=[type(each).__name__ for each, _ in ENCODERS]
)
def test_a_packed_encoder_gives_what_it_gave(encoder: BertModel) -> None:
    own = copy.deepcopy(encoder)
    classifier = DocumentClassifier(without_pooler(own), num_labels=3).eval()
    windows = DocumentWindows.of(
        [[5] * 70, [6, 7]], WindowPlan(window=16, overlap=2, max_windows=9)
    )
    with torch.inference_mode():
        given_DC = classifier(windows)
        pack_linear_layers(classifier.encoder)
        torch.testing.assert_close(classifier(windows), given_DC)
    assert not any(type(each) is nn.Linear for each in own.modules())


def test_whoever_scores_on_a_cpu_has_a_packed_encoder(tiny_bundle: Path) -> None:
    scorer = Scorer.load(tiny_bundle)
    kinds = {type(each) for each in scorer._classifier.encoder.modules()}
    assert PackedLinear in kinds
    assert nn.Linear not in kinds


def test_without_onednn_all_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model = nn.Sequential(nn.Linear(4, 4))
    pack_linear_layers(model)
    assert type(model[0]) is nn.Linear


def test_all_linear_layers_are_replaced_and_nothing_else() -> None:
    class Own(nn.Linear):
        """Whatever a subclass does, a packed layer would not do it."""

    model = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Sequential(nn.Linear(4, 2)), Own(2, 2))
    pack_linear_layers(model)
    pack_linear_layers(model)  # nothing is left to do
    kinds = [type(module) for module in model.modules()]
    assert kinds == [
        nn.Sequential,
        PackedLinear,
        nn.GELU,
        nn.Sequential,
        PackedLinear,
        Own,
    ]
