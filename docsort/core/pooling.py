"""How the states of all of a document's windows become one vector. Knows nothing about labels.

A pooling works in two steps, because a document's windows may go through the encoder in different
passes: ``reduce`` turns each window's token states into evidence of fixed size, ``combine`` turns
the evidence of a document's windows into one vector.

Shapes: D documents, W windows, T tokens, H hidden, E evidence.
"""

from typing import Protocol

import torch

from docsort.core.errors import ConfigError


class Pooling(Protocol):
    """The two steps. Parameter-free so far; one with parameters would be an nn.Module."""

    def reduce(self, states_WTH: torch.Tensor, mask_WT: torch.Tensor) -> torch.Tensor:
        """Evidence (W, E) in fp32 of each window; ``mask_WT`` is 1 where a token is real."""
        ...

    def combine(
        self, evidence_WE: torch.Tensor, document_W: torch.Tensor, num_documents: int
    ) -> torch.Tensor:
        """One fp32 vector a document (D, H); ``document_W`` names each window's document."""
        ...


class MeanPooling:
    """The mean over all token states of all windows, each state with the same weight.

    For a document of one window this is the mean pooling of sentence-transformers, with which
    all-MiniLM-L6-v2 was trained (special tokens count).
    """

    def reduce(self, states_WTH: torch.Tensor, mask_WT: torch.Tensor) -> torch.Tensor:
        # fp32: under 16-mixed a sum over 512 states would lose what the mean must keep
        mask_WT1 = mask_WT.unsqueeze(-1).float()
        return torch.cat([(states_WTH.float() * mask_WT1).sum(1), mask_WT1.sum(1)], dim=-1)

    def combine(
        self, evidence_WE: torch.Tensor, document_W: torch.Tensor, num_documents: int
    ) -> torch.Tensor:
        total_DE = evidence_WE.new_zeros(num_documents, evidence_WE.shape[1])
        total_DE = total_DE.index_add(0, document_W, evidence_WE)
        return total_DE[:, :-1] / total_DE[:, -1:]


POOLINGS: dict[str, type[Pooling]] = {"mean": MeanPooling}


def make_pooling(name: str) -> Pooling:
    """The pooling of that name. Raises ConfigError for an unknown one."""
    if name not in POOLINGS:
        raise ConfigError(f"model.pooling={name} is unknown; accepted: {', '.join(POOLINGS)}")
    return POOLINGS[name]()
