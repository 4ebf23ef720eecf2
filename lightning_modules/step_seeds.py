"""Random numbers of a training step that follow from the step alone. Draws none itself."""

import random
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch


class StepSeeds(pl.Callback):
    """Seeds Python, numpy and torch before each batch by seed, process, epoch and batch.

    So a resumed run draws the same dropout as one that was never stopped, with no generator's
    state to save, on any number of processes, whatever was drawn between two steps; and each
    process draws its own.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        place = (self._seed, trainer.global_rank, trainer.current_epoch, batch_idx)
        for_torch, for_numpy, for_python = np.random.SeedSequence(place).generate_state(3)
        torch.manual_seed(int(for_torch))  # the GPUs' generators too
        np.random.seed(for_numpy)
        random.seed(int(for_python))
