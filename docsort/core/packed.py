"""Linear layers for scoring on a CPU: oneDNN's products of weights that are laid out for it once.

torch asks MKL for a product in fp32. On processors that are not by Intel, MKL does without AVX-512,
and with a few rows, such as one document's tokens, it is slow on all; oneDNN is up to 2.9 times as
fast there, at the same precision (docs/LOG.md, 2026-11-26). torch.compile's generated code calls
the same two functions of torch.
"""

import torch
from torch import nn


class PackedLinear(nn.Module):
    """What ``linear`` gives, in fp32, for inference alone; keeps none of its memory."""

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
    """Replace all of a model's linear layers, in place, where torch has oneDNN."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))
