"""Linear layers for scoring on a CPU: oneDNN's products of weights that are laid out for it once.

torch asks MKL for a product in fp32, and MKL does without AVX-512 on AMD's processors. There oneDNN
is 2.3 times as fast, more with the few rows of one document's tokens, at the same precision, and no
slower with AVX2 alone (docs/LOG.md, 2026-11-26). torch.compile's generated code calls the same two
functions of torch where shapes are dynamic.
"""

import platform
from collections.abc import Callable

import torch
from torch import nn

from docsort.core.shape_cache import limit_shape_cache


class PackedLinear(nn.Module):
    """What ``linear`` gives, in fp32, for inference alone; keeps its bias, not its weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        # no buffers: this layout can be neither saved nor moved to another device
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(..., in) to (..., out)."""
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            inputs, self._weight, self._bias, "none", [], ""
        )
        return product


def pack_linear_layers(model: nn.Module) -> None:
    """Replace all of a model's linear layers, in place; none on processors unlike those tried."""
    # ARM's oneDNN is another one; there torch does not ask MKL either
    if platform.machine() not in ("x86_64", "AMD64"):
        return
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    limit_shape_cache()
    replace_linear_layers(model, PackedLinear)


def replace_linear_layers(model: nn.Module, make: Callable[[nn.Linear], nn.Module]) -> None:
    """Put what ``make`` makes of each of a model's linear layers in its place, one by one."""
    # a linear layer itself is not in this list, so that each is freed as soon as it is replaced
    parents = [each for each in model.modules() if type(each) is not nn.Linear]
    for module in parents:
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, make(child))
