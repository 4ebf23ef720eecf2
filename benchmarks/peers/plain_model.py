"""The model as transformers' documentation has it; packed with a peer, needs nothing of ours."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

MAX_TOKENS = 512


class PlainModel:
    """Texts to the best label and its score, all in one batch."""

    def __init__(self, folder: str, padding: bool | str = True) -> None:
        """``padding``: True pads to a batch's longest text, "max_length" to 512 tokens."""
        self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self._model = AutoModelForSequenceClassification.from_pretrained(
            folder, trust_remote_code=False
        ).eval()
        self._padding = padding

    def classify(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        encoded = self._tokenizer(
            list(texts),
            padding=self._padding,
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
        )
        with torch.inference_mode():
            scores = self._model(**encoded).logits.softmax(dim=-1)
        best = scores.argmax(dim=-1).tolist()
        names = self._model.config.id2label
        return [
            {"label": names[c], "score": float(row[c])} for c, row in zip(best, scores, strict=True)
        ]
