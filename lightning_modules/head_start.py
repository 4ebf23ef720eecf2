"""A classification layer that begins at the frozen encoder's own solution. Trains no encoder.

A random layer spends the first epochs dragging a good encoder about. Here the layer is first fitted
on the untouched encoder's vectors (logistic regression), and only then is all fine-tuned together
(LP-FT: Kumar et al. 2022, arXiv:2202.10054).

An encoder that knows less about these documents than their words do may be better dragged about: on
R8 runs that began at its solution stayed a little behind on test, though not on validation
(docs/LOG.md, 2026-11-26). So the layer stays random where validation shows the linear model of all
training documents' words to be clearly ahead of the layer, which is fitted on a part of a large
table. Unless told otherwise it then learns at RANDOM_FACTOR times the encoder's rate: at that rate
itself a thousand steps of Adam move a weight by a few hundredths.

Shapes: D documents, H hidden, C classes.
"""

import copy
import warnings
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from rich.progress import track

from docsort.core.linear import LinearModel
from docsort.data.labels import Ints
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.optimizer import multiply_head_rate
from lightning_modules.refined_loss import refined_losses, standard_error

# It is fitted on about so many at most, of every label some: enough to begin with, and a minute on
# two cores.
MAX_DOCUMENTS = 2000
# scikit-learn's C=1: half the squared norm of the weights, over what the loss is the mean of
# (documents, or each document's labels)
INVERSE_PENALTY = 1.0
MAX_ITERATIONS = 200
# measured at 5e-5 (docs/LOG.md, 2026-11-26)
RANDOM_FACTOR = 20.0
# standard errors by which words must be ahead
CLEARLY = 2.0


class HeadStart(pl.Callback):
    """Fits the layer before the first step of a run that doesn't go on from a checkpoint.

    Attributes:
        linear: the linear model of the training documents' words, to compare with; None: the layer
            is fitted in any case.
        is_random: whether the layer began random; stands in checkpoints.
    """

    def __init__(self, decided: bool | None = None) -> None:
        """``decided``: whether the layer begins random, where that is known already."""
        self._decided = decided
        self.linear: LinearModel | None = None
        self.is_random = False

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(module, DocumentClassification)
        assert isinstance(data, DocumentDataModule)
        if trainer.ckpt_path is None:
            is_random = self._begin(module, data) if trainer.is_global_zero else None
            self.is_random = bool(trainer.strategy.broadcast(is_random))
            # other machines may add up in another order; by way of the CPU, for a GPU's tensor
            # would come to the first process's GPU
            for parameter in module.classifier.head.parameters():
                begun = trainer.strategy.broadcast(parameter.data.cpu())
                parameter.data = begun.to(parameter.device)
            if self.is_random and module.settings.optimizer.head_lr is None:
                (optimizer,), (scheduled,) = trainer.optimizers, trainer.lr_scheduler_configs
                multiply_head_rate(optimizer, scheduled.scheduler, RANDOM_FACTOR)

    def state_dict(self) -> dict[str, bool]:
        return {"is_random": self.is_random}

    def load_state_dict(self, state_dict: dict[str, bool]) -> None:
        self.is_random = state_dict["is_random"]

    def _begin(self, module: DocumentClassification, data: DocumentDataModule) -> bool:
        """Returns whether the layer stays random."""
        if self._decided:
            return True
        head = module.classifier.head
        random = copy.deepcopy(head.state_dict())
        train = frozen_vectors(module, data, "train")
        fit_head(module, train.vectors_DH, train.targets)
        if self._decided is not None:
            return False
        # the linear model knows no class weights, so their losses could not be compared
        linear = self.linear if module.class_weights is None else None
        is_random = linear is not None and words_are_ahead(module, data, linear)
        if is_random:
            head.load_state_dict(random)
            print("classification layer: begins random; words tell more than the frozen encoder")
        else:
            print("classification layer: begins at the frozen encoder's solution")
        return is_random


@dataclass(frozen=True)
class Frozen:
    """Vectors (D, H) of a split's documents by the untouched encoder, without dropout.

    ``positions``: int64 (D,), where they stand in the split. ``targets``: as in Batch.
    """

    positions: Ints
    vectors_DH: torch.Tensor
    targets: torch.Tensor


def words_are_ahead(
    module: DocumentClassification, data: DocumentDataModule, linear: LinearModel
) -> bool:
    """Whether the linear model's loss on validation documents is clearly below the layer's.

    Both at their best temperature; document by document, so that hard ones don't blur it. Never
    with so few that nothing is clear (`standard_error`).
    """
    val, task = frozen_vectors(module, data, "val"), module.manifest.task
    with torch.no_grad():
        encoder_D = refined_losses(module.classifier.head(val.vectors_DH), val.targets, task)
    evidence_DC = linear.evidence(data.texts("val", val.positions), task).to(val.targets.device)
    behind_D = encoder_D - refined_losses(evidence_DC, val.targets, task)
    return bool(behind_D.mean() > CLEARLY * standard_error(behind_D))


def frozen_vectors(module: DocumentClassification, data: DocumentDataModule, split: str) -> Frozen:
    """About MAX_DOCUMENTS documents at most."""
    vectors, targets = [], []
    positions, batches = data.batches_by_length(split, MAX_DOCUMENTS)
    module.eval()
    with torch.no_grad():
        for batch in track(batches, "frozen vectors", transient=True):
            vectors.append(module.classifier.embed(batch.windows))
            targets.append(batch.targets.to(module.device))
    module.train()
    return Frozen(positions, torch.cat(vectors), torch.cat(targets))


def fit_head(
    module: DocumentClassification, vectors_DH: torch.Tensor, targets: torch.Tensor
) -> None:
    """Set the layer to the penalised minimum of the run's own loss on these vectors."""
    head = module.classifier.head
    penalty = 0.5 / (INVERSE_PENALTY * targets.numel())
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
