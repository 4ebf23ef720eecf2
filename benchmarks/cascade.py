"""The cascade's whole curve: how many errors it adds, and how fast it makes scoring.

    python -m benchmarks.cascade --bundle DIR --train FILE.csv --test FILE.csv [--timed 400]

The bundle was trained on (a part of) TRAIN; thresholds are chosen on TRAIN alone, cross-fitted,
as `docsort train model.cascade.max_extra_error=…` does, and measured on TEST. Documents a second
are those of scoring offline the first TIMED documents of TEST in a seeded random order, each
setting in turn, three rounds.
"""

import argparse
import json
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from datasets import Dataset
from rich.progress import track

from benchmarks.machine import describe
from benchmarks.tables import RESULTS, write_table
from docsort.core.bundle import LINEAR, Bundle, Cascade, load_model, read_bundle
from docsort.core.hashing import file_sha256
from docsort.core.linear import LinearModel
from docsort.core.scorer import Prediction, Scorer
from docsort.data.duplicates import duplicate_clusters
from docsort.data.out_of_fold import out_of_fold
from docsort.data.targets import as_targets
from docsort.report.cascade import choose_cascade

LIMITS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
CHUNK_DOCUMENTS = 256
ROUNDS = 3
SEED = 1
# documents a second of each setting, round by round
Rates = dict[float | None, list[float]]


def main() -> None:
    """Measure, print the table, write it and the JSON under benchmarks/results."""
    parser = argparse.ArgumentParser("python -m benchmarks.cascade")
    for name in ("bundle", "train", "test"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--timed", type=int, default=400)
    arguments = parser.parse_args()
    about = describe()
    bundle = read_bundle(arguments.bundle)
    cascades = {None: None} | chosen_on(pd.read_csv(arguments.train), bundle)
    test = pd.read_csv(arguments.test).sample(frac=1, random_state=SEED)
    truth = as_targets(test["label"].tolist(), bundle.labels, bundle.task)
    texts = test["text"].tolist()
    scorers = {limit: with_cascade(bundle, cascade) for limit, cascade in cascades.items()}
    whole = _score(scorers[None], texts, "scoring all by the encoder")
    wrong_D = np.array([p.probabilities.argmax() for p in whole]) != truth
    rates = _take_turns(scorers, texts[: arguments.timed])
    rows = [_row(limit, scorer, texts, truth, wrong_D, rates) for limit, scorer in scorers.items()]
    _write(
        {
            "command": _command(arguments),
            "data": {
                name: {"file": file.name, "sha256": file_sha256(file)}
                for name, file in (("train", arguments.train), ("test", arguments.test))
            },
            "bundle": bundle.provenance.get("name", bundle.path.name),
            "documents": len(texts),
            "timed": min(arguments.timed, len(texts)),
            **about,
            "rows": rows,
        }
    )


def _command(arguments: argparse.Namespace) -> str:
    """As it was given, with names in place of paths."""
    files = [f"--{each} {vars(arguments)[each].name}" for each in ("bundle", "train", "test")]
    return " ".join(["python -m benchmarks.cascade", *files, f"--timed {arguments.timed}"])


def chosen_on(train: pd.DataFrame, bundle: Bundle) -> dict[float | None, Cascade | None]:
    """By limit, the cascade that cross-fitting on these documents allows."""
    train = train[train["label"].isin(bundle.labels)]
    dataset = Dataset.from_pandas(train[["text", "label"]], preserve_index=False)
    clusters_D = duplicate_clusters(dataset["text"][:])
    unseen_DC = out_of_fold(dataset, clusters_D, bundle.labels, bundle.task)
    truth = as_targets(dataset["label"][:], bundle.labels, bundle.task)
    return {limit: choose_cascade(truth, unseen_DC, limit) for limit in LIMITS}


def with_cascade(bundle: Bundle, cascade: Cascade | None) -> Scorer:
    """The bundle's scorer as if it had been written with this cascade."""
    linear = LinearModel.load(bundle.path / LINEAR)
    return Scorer(bundle_with(bundle, cascade), *load_model(bundle), linear).to("cpu")


def bundle_with(bundle: Bundle, cascade: Cascade | None) -> Bundle:
    """The bundle with another cascade in its calibration."""
    calibration = replace(bundle.calibration, cascade=cascade)
    return replace(bundle, manifest=replace(bundle.manifest, calibration=calibration))


def _score(scorer: Scorer, texts: list[str], what: str) -> list[Prediction]:
    starts = range(0, len(texts), CHUNK_DOCUMENTS)
    chunks = [texts[start : start + CHUNK_DOCUMENTS] for start in track(starts, what)]
    return [prediction for chunk in chunks for prediction in scorer.score(chunk)]


def _take_turns(scorers: dict[float | None, Scorer], texts: list[str]) -> Rates:
    rates: Rates = {limit: [] for limit in scorers}
    for _ in range(ROUNDS):
        for limit, scorer in scorers.items():
            started = time.perf_counter()
            for start in range(0, len(texts), CHUNK_DOCUMENTS):
                scorer.score(texts[start : start + CHUNK_DOCUMENTS])
            rates[limit].append(len(texts) / (time.perf_counter() - started))
    return rates


def _row(
    limit: float | None,
    scorer: Scorer,
    texts: list[str],
    truth: np.ndarray,
    wrong_D: np.ndarray,
    rates: Rates,
) -> dict[str, Any]:
    """One setting's figures; ``wrong_D``: where the bundle errs without a cascade.

    ``wrongly_by_linear``, a share of all documents, is what the limit bounds.
    """
    cascade = scorer.bundle.calibration.cascade
    row: dict[str, Any] = {
        "max_extra_error": limit,
        "threshold": cascade.threshold if cascade else None,
        "answered_by_linear": 0.0,
        "accuracy": float(1 - wrong_D.mean()),
        "extra_error": 0.0,
        "wrongly_by_linear": 0.0,
        "docs_per_s": round(median(rates[limit]), 1),
        "docs_per_s_by_round": [round(rate, 1) for rate in rates[limit]],
        "times_as_fast": round(median(rates[limit]) / median(rates[None]), 2),
    }
    if cascade is not None:
        given = _score(scorer, texts, f"scoring at {limit}")
        now_wrong_D = np.array([p.probabilities.argmax() for p in given]) != truth
        by_linear_D = np.array([p.receipt.answered_by == "linear" for p in given])
        row["answered_by_linear"] = float(by_linear_D.mean())
        row["accuracy"] = float(1 - now_wrong_D.mean())
        row["wrongly_by_linear"] = float((by_linear_D & now_wrong_D).mean())
        row["extra_error"] = float(now_wrong_D.mean() - wrong_D.mean())
    return row


def _write(result: dict[str, Any]) -> None:
    name = f"cascade-{result['bundle']}"
    file = RESULTS / f"{date.today().isoformat()}-{name}.json"
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    columns = (
        *("max_extra_error", "threshold", "answered by linear", "wrongly answered by linear"),
        *("accuracy", "extra error"),
    )
    write_table(
        name,
        f"The cascade on {result['bundle']}",
        result["command"],
        (*columns, "documents/s", "times as fast"),
        [_cells(row) for row in result["rows"]],
        [
            f"{result['documents']} test documents; speed on {result['timed']} of them, the median "
            f"of {ROUNDS} rounds. Wrongly answered by linear is a share of all documents, and what "
            "max_extra_error bounds."
        ],
    )


def _cells(row: dict[str, Any]) -> list[str]:
    limit, threshold = "off", ""
    if row["max_extra_error"] is not None:
        limit = f"{row['max_extra_error']:.1%}"
        threshold = "cannot be shown" if row["threshold"] is None else f"{row['threshold']:.3f}"
    return [
        limit,
        threshold,
        f"{row['answered_by_linear']:.1%}",
        f"{row['wrongly_by_linear']:.2%}",
        f"{row['accuracy']:.2%}",
        f"{row['extra_error']:+.2%}",
        f"{row['docs_per_s']}",
        f"{row['times_as_fast']}",
    ]


if __name__ == "__main__":
    main()
