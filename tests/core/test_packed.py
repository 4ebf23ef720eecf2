"""Packed layers give what torch's own give, for every number of rows and every kind of encoder."""

import pytest
import torch
from torch import nn

from docsort.core.packed import PackedLinear, pack_linear_layers


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
