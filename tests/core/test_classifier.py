"""Logits in fp32, whatever the encoder multiplies in; gradients within a bounded memory."""

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from docsort.core import classifier
from docsort.core.classifier import DocumentClassifier
from docsort.core.pretrained import load_pretrained
from docsort.core.windows import DocumentWindows, WindowPlan

PLAN = WindowPlan(window=8, overlap=2, max_windows=4, prefix=(1,), suffix=(2,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_head_is_left_out_of_autocast(tiny_bert: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    model = DocumentClassifier(load_pretrained(str(tiny_bert)).encoder, num_labels=3).eval()
    windows = DocumentWindows.of([[7, 8, 9], list(range(5, 20))], PLAN)
    with torch.no_grad():
        with torch.autocast("cpu", dtype=dtype):
            vectors_DH, logits_DC = model.embed(windows), model(windows)
        assert not torch.equal(vectors_DH, model.embed(windows))  # the encoder is in it
        torch.testing.assert_close(logits_DC, model.head(vectors_DH), rtol=0, atol=0)


def test_what_has_no_room_in_memory_goes_through_the_encoder_in_parts(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DocumentClassifier(load_pretrained(str(tiny_bert)).encoder, num_labels=3).eval()
    windows = DocumentWindows.of([[7, 8, 9], list(range(5, 16)), [11] * 5], PLAN)
    forward = model.encoder.forward
    sizes: list[int] = []
    held: list[bool] = []
    computed: list[weakref.ref[torch.Tensor]] = []
    room = len(windows.token_ids)

    def encode(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        sizes.append(len(input_ids))
        held.extend(one() is not None for one in computed)
        if len(input_ids) > room:
            activations = torch.zeros(1)
            computed.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(input_ids=input_ids, attention_mask=attention_mask)

    monkeypatch.setattr(model.encoder, "forward", encode)
    with torch.inference_mode():
        whole = model(windows)
        assert sizes == [5]
        room = 2
        torch.testing.assert_close(model(windows), whole, rtol=0, atol=1e-6)
        assert sizes == [5, 5, 2, 3, 1, 2]
        assert not any(held)  # what failed is out of memory before the next try
        room = 0
        with pytest.raises(torch.OutOfMemoryError):
            model(windows)
        assert sizes[6:] == [5, 2, 1]
    with pytest.raises(torch.OutOfMemoryError):  # whose backward pass would want as much again
        model(windows)
    assert sizes[9:] == [5]


@pytest.mark.parametrize("autocast", [False, True])
def test_passes_made_twice_hold_less_and_give_the_same_gradients(
    tiny_bert: Path, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(classifier.PASS_COST, "cpu", 0)  # each length a pass of its own
    model = DocumentClassifier(load_pretrained(str(tiny_bert)).encoder.train(), num_labels=3)
    windows = DocumentWindows.of([[7, 8, 9], list(range(5, 40))], PLAN)
    num_tokens = sum(map(len, windows.token_ids))
    made_twice: list[object] = []
    monkeypatch.setattr(
        classifier,
        "checkpoint",
        lambda *args, **kwargs: made_twice.append(args) or checkpoint(*args, **kwargs),
    )

    def step(max_kept_tokens: int | None) -> tuple[list[torch.Tensor], int]:
        """Gradients, and the bytes that were held for them."""
        held = 0

        def hold(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal held
            held += tensor.nbytes
            return tensor

        model.max_kept_tokens = max_kept_tokens
        model.zero_grad()
        torch.manual_seed(1)  # dropout's
        with (
            torch.autocast("cpu", torch.bfloat16, enabled=autocast),
            torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor),
        ):
            loss = model(windows).square().sum()
        loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None], held

    gradients, held = step(None)
    at_the_limit, held_there = step(num_tokens)
    assert held_there == held
    assert not made_twice
    over_it, held_over_it = step(num_tokens - 1)
    assert held_over_it < held / 2
    assert len(made_twice) > 1
    for others in (at_the_limit, over_it):
        assert all(map(torch.equal, others, gradients))
