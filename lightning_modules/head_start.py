"""A classification layer that begins at the frozen encoder's own solution. Trains no encoder.

A random layer spends the first epochs dragging a good encoder about. Here the layer is first fitted
on the untouched encoder's vectors (logistic regression), and only then is all fine-tuned together
(LP-FT: Kumar et al. 2022, arXiv:2202.10054).

Shapes: D documents, H hidden, C classes.
"""

import warnings

import pytorch_lightning as pl
import torch
from rich.progress import track

from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule

# It is fitted on about so many at most, of every label some: enough to begin with, and a minute on
# two cores.
MAX_DOCUMENTS = 2000
# scikit-learn's C=1: half the squared norm of the weights, over the number of documents
INVERSE_PENALTY = 1.0
MAX_ITERATIONS = 200


class HeadStart(pl.Callback):
    """Fits the layer before the first step of a run that doesn't go on from a checkpoint."""

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(module, DocumentClassification)
        assert isinstance(data, DocumentDataModule)
        if trainer.ckpt_path is None:
            if trainer.is_global_zero:
                fit_head(module, *frozen_vectors(module, data))
            # other machines may add up in another order
            for parameter in module.classifier.head.parameters():
                parameter.data = trainer.strategy.broadcast(parameter.data)


def frozen_vectors(
    module: DocumentClassification, data: DocumentDataModule
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors (D, H) of training documents by the untouched encoder, without dropout; targets."""
    vectors, targets = [], []
    batches = data.batches_by_length(MAX_DOCUMENTS)
    module.eval()
    with torch.no_grad():
        for batch in track(batches, "frozen vectors", transient=True):
            vectors.append(module.classifier.embed(batch.windows))
            targets.append(batch.targets.to(module.device))
    module.train()
    return torch.cat(vectors), torch.cat(targets)


def fit_head(
    module: DocumentClassification, vectors_DH: torch.Tensor, targets: torch.Tensor
) -> None:
    """Set the layer to the penalised minimum of the run's own loss on these vectors."""
    head = module.classifier.head
    penalty = 0.5 / (INVERSE_PENALTY * len(vectors_DH))
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = module.loss(head(vectors_DH), targets) + penalty * head.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad(), warnings.catch_warnings():
        # torch 2.13's L-BFGS turns its own closure's loss into a number
        warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad=True")
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    optimizer.zero_grad()
