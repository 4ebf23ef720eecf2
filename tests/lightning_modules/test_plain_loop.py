"""A training run against a plain PyTorch loop that shares none of the training code.

The loop derives the losses that the run must log, on whatever processor the test runs.
"""

import copy
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from docsort.core.classifier import MAX_TOKENS, PASS_COST, DocumentClassifier
from docsort.core.passes import cut_passes
from lightning_modules.callbacks import Speed
from lightning_modules.settings import OptimizerSettings
from tests.lightning_modules.conftest import LABELS, SETTINGS, Run, make_corpus

SEED, EPOCHS, BATCH_SIZE, NUM_STEPS, NUM_WARMUP_STEPS = 1, 2, 8, 40, 10
LR, HEAD_LR, WEIGHT_DECAY, SMOOTHING, MAX_NORM = 1e-3, 5e-3, 3.0, 0.1, 1.0
# The run and the loop add up in different orders, and their losses differ by 8e-7. Initial weights
# that are changed by 1e-6 of their size change a loss by 1e-5. The smallest of 16 wrong changes,
# embeddings without decay, changes one by 4e-4 (2026-11-29).
TOLERANCE = 5e-5


def test_a_seeded_run_repeats_bit_identically(run: Run, tmp_path: Path) -> None:
    for folder in ("first", "again"):
        run(folder, log_every_n_steps=1)
    assert logged_losses(tmp_path / "first") == logged_losses(tmp_path / "again")


@pytest.mark.parametrize("several", [False, True])
def test_training_losses_are_those_of_a_plain_loop(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    initial: list[DocumentClassifier] = []
    monkeypatch.setattr(
        Speed,
        "on_train_start",
        lambda self, trainer, module: initial.append(copy.deepcopy(module.classifier)),
    )
    optimizer = OptimizerSettings(LR, HEAD_LR, WEIGHT_DECAY, NUM_WARMUP_STEPS / NUM_STEPS)
    settings = replace(SETTINGS, label_smoothing=SMOOTHING, optimizer=optimizer)
    module, _ = run(
        several=several,
        seed=SEED,
        settings=settings,
        max_epochs=EPOCHS,
        gradient_clip_val=MAX_NORM,
        log_every_n_steps=1,
    )
    corpus, plan = make_corpus(several), module.manifest.plan(module.tokenizer)
    documents = [plan.cut(ids) for ids in module.tokenizer.encode(corpus.train["text"][:])]
    targets = targets_of(corpus.train["label"][:])
    expected = plain_loop(initial[0], documents, targets)
    np.testing.assert_allclose(logged_losses(tmp_path / "run"), expected, atol=TOLERANCE, rtol=0)


def logged_losses(folder: Path) -> list[float]:
    with (folder / "logs" / "metrics.csv").open(encoding="utf-8") as stream:
        return [float(row["train/loss"]) for row in csv.DictReader(stream) if row["train/loss"]]


def targets_of(labels: list[Any]) -> torch.Tensor:
    """Smoothed probabilities (D, C)."""
    several = isinstance(labels[0], list)
    one_hot = torch.tensor(
        [[float(name in (own if several else [own])) for name in LABELS] for own in labels]
    )
    return one_hot * (1 - SMOOTHING) + SMOOTHING / (2 if several else len(LABELS))


def plain_loop(
    classifier: DocumentClassifier,
    documents: list[list[list[int]]],
    targets: torch.Tensor,
) -> list[float]:
    """The loss of each step."""
    several = bool((targets.sum(1) - 1).abs().max() > 1e-3)
    named = dict(classifier.named_parameters())
    first = {name: LR if name.startswith("encoder.") else HEAD_LR for name in named}
    optimizer = torch.optim.AdamW(
        [
            {"params": [each], "lr": first[name], "weight_decay": WEIGHT_DECAY * (each.dim() == 2)}
            for name, each in named.items()
        ]
    )
    losses = []
    for epoch in range(EPOCHS):
        for at, batch in enumerate(batches_of(epoch, documents)):
            step = len(losses)
            up = (step + 1) / (NUM_WARMUP_STEPS + 1)
            down = (NUM_STEPS - step) / (NUM_STEPS - NUM_WARMUP_STEPS)
            for name, group in zip(named, optimizer.param_groups, strict=True):
                group["lr"] = first[name] * min(up, down)
            place = np.random.SeedSequence((SEED, 0, epoch, at))
            torch.manual_seed(int(place.generate_state(3)[0]))
            logits = logits_of(classifier, [documents[d] for d in batch])
            if several:
                yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
                loss = -(targets[batch] * yes + (1 - targets[batch]) * no).mean()
            else:
                loss = -(targets[batch] * logits.log_softmax(1)).sum(1).mean()
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            norm = torch.stack([each.grad.norm() for each in named.values()]).norm()
            for each in named.values():
                each.grad *= min(1.0, MAX_NORM / float(norm))
            optimizer.step()
    return losses


def batches_of(epoch: int, documents: list[list[list[int]]]) -> Iterator[list[int]]:
    """A random order, sorted by length, cut into batches, in random order."""
    num_tokens = [content_tokens(windows) for windows in documents]
    rng = np.random.default_rng((SEED, epoch))
    by_length = sorted(rng.permutation(len(documents)).tolist(), key=lambda d: num_tokens[d])
    cut = [by_length[i : i + BATCH_SIZE] for i in range(0, len(by_length), BATCH_SIZE)]
    return (cut[i] for i in rng.permutation(len(cut)))


def content_tokens(windows: list[list[int]]) -> int:
    overlap, special = SETTINGS.overlap, 2
    return sum(len(ids) - special for ids in windows) - overlap * (len(windows) - 1)


def logits_of(classifier: DocumentClassifier, documents: list[list[list[int]]]) -> torch.Tensor:
    """The mean of the states of all tokens of a document's windows, dropout, the linear layer."""
    windows = [(d, ids) for d, own in enumerate(documents) for ids in own]
    states_of: list[list[torch.Tensor]] = [[] for _ in documents]
    lengths = [len(ids) for _, ids in windows]
    for members in cut_passes(lengths, PASS_COST["cpu"], MAX_TOKENS["cpu"]):
        longest = max(lengths[w] for w in members)
        rows = [windows[w][1] + [0] * (longest - lengths[w]) for w in members]
        real = torch.tensor([[at < lengths[w] for at in range(longest)] for w in members])
        states = classifier.encoder(torch.tensor(rows), real.long()).last_hidden_state
        for w, window_states in zip(members, states, strict=True):
            states_of[windows[w][0]].append(window_states[: lengths[w]])
    vectors = torch.stack([torch.cat(own).mean(0) for own in states_of])
    return F.linear(F.dropout(vectors, SETTINGS.dropout), *classifier.head.parameters())
