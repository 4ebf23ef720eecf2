"""Logits in fp32, whatever the encoder multiplies in."""

from pathlib import Path

import pytest
import torch

from docsort.core.classifier import DocumentClassifier
from docsort.core.pretrained import load_pretrained
from docsort.core.windows import DocumentWindows, WindowPlan

PLAN = WindowPlan(window=8, overlap=2, max_windows=4, prefix=(1,), suffix=(2,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_head_is_left_out_of_autocast(tiny_bert: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    classifier = DocumentClassifier(load_pretrained(str(tiny_bert)).encoder, num_labels=3).eval()
    windows = DocumentWindows.of([[7, 8, 9], list(range(5, 20))], PLAN)
    with torch.no_grad():
        with torch.autocast("cpu", dtype=dtype):
            vectors_DH, logits_DC = classifier.embed(windows), classifier(windows)
        assert not torch.equal(vectors_DH, classifier.embed(windows))  # the encoder is in it
        torch.testing.assert_close(logits_DC, classifier.head(vectors_DH), rtol=0, atol=0)
