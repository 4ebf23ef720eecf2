"""Windows to logits: encoder, pooling and one linear layer. Knows no text and no label names.

Shapes: D documents, W windows, T tokens, H hidden, E evidence, C classes.
"""

from contextlib import suppress
from functools import partial

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from docsort.core.passes import cut_passes
from docsort.core.pooling import make_pooling
from docsort.core.windows import DocumentWindows

# A pass's fixed cost in tokens, and its padded tokens at most, by device type. On two CPU cores a
# MiniLM pass costs about as much as 30 tokens on top of its tokens; a GPU wants few, large passes.
PASS_COST = {"cpu": 32, "cuda": 4096}
MAX_TOKENS = {"cpu": 4096, "cuda": 65536}


class DocumentClassifier(nn.Module):
    """One code path from windows to logits, for training and for serving."""

    def __init__(
        self,
        encoder: PreTrainedModel,
        num_labels: int,
        pooling: str = "mean",
        dropout: float = 0.1,
        pad_id: int = 0,
    ) -> None:
        """``dropout`` acts on the document's vector, before the linear layer.

        ``max_kept_tokens``, an attribute, bounds what training holds: of documents of more tokens
        together the activations of one pass at a time are in memory, and every pass is made twice
        (Chen et al. 2016, arXiv:1604.06174). Gradients are the same.
        """
        super().__init__()
        self.encoder = encoder
        self.pooling = make_pooling(pooling)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, num_labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.pad_id = pad_id
        self.max_kept_tokens: int | None = None

    def forward(self, windows: DocumentWindows) -> torch.Tensor:
        """fp32 logits (D, C) of the documents, in their order, under autocast too."""
        vectors_DH = self.dropout(self.embed(windows))
        # bf16 has 8 bits: a product rounded to them would blur the loss that chooses a checkpoint
        with torch.autocast(vectors_DH.device.type, enabled=False):
            logits_DC: torch.Tensor = self.head(vectors_DH)
        return logits_DC

    def embed(self, windows: DocumentWindows) -> torch.Tensor:
        """fp32 vectors (D, H) of the documents, in their order.

        Without gradients, a pass that a GPU has no memory for is made in parts. Raises
        torch.OutOfMemoryError where that has none for a single window.
        """
        device = self.head.weight.device
        lengths = [len(ids) for ids in windows.token_ids]
        passes = cut_passes(lengths, PASS_COST[device.type], MAX_TOKENS[device.type])
        encode = self._encode
        kept = self.max_kept_tokens
        if not torch.is_grad_enabled():
            encode = self._encode_as_fits
        elif kept is not None and sum(lengths) > kept:
            encode = partial(checkpoint, encode, use_reentrant=False)
        evidence_WE = torch.cat([encode(windows, members) for members in passes])
        document_W = torch.tensor([windows.documents[w] for members in passes for w in members])
        return self.pooling.combine(evidence_WE, document_W.to(device), windows.num_documents)

    def _encode_as_fits(self, windows: DocumentWindows, members: list[int]) -> torch.Tensor:
        """As ``_encode``, in two halves wherever the memory has no room for all at once."""
        if len(members) == 1:
            return self._encode(windows, members)
        with suppress(torch.OutOfMemoryError):
            return self._encode(windows, members)
        # not in a block that handles the error, whose traceback holds what the pass had in memory
        middle = len(members) // 2
        halves = (members[:middle], members[middle:])
        return torch.cat([self._encode_as_fits(windows, half) for half in halves])

    def _encode(self, windows: DocumentWindows, members: list[int]) -> torch.Tensor:
        """Evidence (W, E) of some of the windows, in one pass padded to the longest of them."""
        ids = [windows.token_ids[w] for w in members]
        longest = max(map(len, ids))
        input_ids_WT = torch.tensor([row + [self.pad_id] * (longest - len(row)) for row in ids])
        mask_WT = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        device = self.head.weight.device
        input_ids_WT = input_ids_WT.to(device, non_blocking=True)
        mask_WT = mask_WT.to(device, non_blocking=True)
        states_WTH = self.encoder(input_ids=input_ids_WT, attention_mask=mask_WT).last_hidden_state
        return self.pooling.reduce(states_WTH, mask_WT)
