"""A scorer's answers on labelled documents, and the files that hold them. Trains nothing.

Shapes: D documents, C classes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset
from rich.markup import escape
from rich.progress import track

from docsort.commands.prediction_columns import prediction_columns
from docsort.core.bundle import Bundle, Calibration
from docsort.core.disk import whole_file, write_whole
from docsort.core.probabilities import Task, to_probabilities
from docsort.core.scorer import Scorer
from docsort.core.windows import Receipt
from docsort.data.targets import as_targets
from docsort.report.metrics import document_metrics

# Documents scored at once: enough to group by length, few enough for a progress bar and memory.
CHUNK_DOCUMENTS = 256


@dataclass(frozen=True)
class Outcome:
    """What a scorer said of D labelled documents.

    ``truth``: int (D,) or bool (D, C); ``logits_DC`` fp32, before any temperature; ``receipts``:
    one a document.
    """

    split: Dataset
    task: Task
    truth: np.ndarray
    logits_DC: torch.Tensor
    receipts: tuple[Receipt, ...]

    def probabilities_DC(self, temperature: float) -> np.ndarray:
        """fp32 (D, C)."""
        return to_probabilities(self.logits_DC, self.task, temperature).numpy()

    def _uncalibrated_DC(self, temperature: float) -> np.ndarray:
        """At temperature 1; what the linear model answered alone never had one."""
        by_linear_D = np.array([receipt.answered_by == "linear" for receipt in self.receipts])
        calibrated_DC = self.probabilities_DC(temperature)
        return np.where(by_linear_D[:, None], calibrated_DC, self.probabilities_DC(1.0))

    def where(self, chosen: np.ndarray) -> "Outcome":
        """Only the documents where bool (D,) ``chosen`` is true."""
        places = np.flatnonzero(chosen)
        return Outcome(
            self.split.select(places),
            self.task,
            self.truth[places],
            self.logits_DC[torch.from_numpy(places)],
            tuple(self.receipts[place] for place in places),
        )

    def report_fields(self, bundle: Bundle) -> dict[str, Any]:
        """The fields of a report's RunResults that follow from documents and bundle."""
        calibration = bundle.calibration
        return {
            "task": self.task,
            "labels": bundle.labels,
            "truth": self.truth,
            "probabilities": self.probabilities_DC(calibration.temperature),
            "uncalibrated_probabilities": self._uncalibrated_DC(calibration.temperature),
            "temperature": calibration.temperature,
            "thresholds": calibration.thresholds,
            "linear_weight": calibration.linear_weight,
            "cascade": calibration.cascade,
            "texts": self.split["text"],
            "rows": np.asarray(self.split["row"]),
            "tokens": np.array([receipt.tokens for receipt in self.receipts]),
            "tokens_read": np.array([receipt.tokens_read for receipt in self.receipts]),
        }


def score_split(scorer: Scorer, split: Dataset, what: str) -> Outcome:
    """Score all of a split's documents, under a progress bar. Raises DataError: unknown labels."""
    truth = as_targets(split["label"], scorer.labels, scorer.task)
    logits: list[torch.Tensor] = []
    receipts: list[Receipt] = []
    starts = range(0, len(split), CHUNK_DOCUMENTS)
    for start in track(starts, description=f"scoring {escape(what)}", transient=True):
        texts = split[start : start + CHUNK_DOCUMENTS]["text"]
        logits_DC, seen = scorer.logits(texts)
        logits.append(logits_DC)
        receipts.extend(seen)
    return Outcome(
        split,
        scorer.task,
        truth,
        torch.cat(logits),
        tuple(receipts),
    )


def split_metrics(name: str, outcome: Outcome, calibration: Calibration) -> dict[str, float]:
    """The flat metrics of one split: ``test/accuracy`` and so on."""
    probabilities_DC = outcome.probabilities_DC(calibration.temperature)
    figures = document_metrics(
        outcome.truth, probabilities_DC, outcome.task, calibration.thresholds
    )
    return {f"{name}/{figure}": value for figure, value in figures.items()}


def write_predictions(path: Path, outcome: Outcome, scorer: Scorer) -> None:
    """One row a document, in the file's order: row, label, and what prediction_columns gives."""
    probabilities_DC = outcome.probabilities_DC(scorer.bundle.calibration.temperature)
    predictions = prediction_columns(scorer, probabilities_DC, outcome.receipts)
    ours = {"row": list(outcome.split["row"]), "label": list(outcome.split["label"])}
    table = pa.table({**ours, **dict(zip(predictions.column_names, predictions, strict=True))})
    with whole_file(path) as stream:
        pq.write_table(table, stream)


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """JSON for people too: indented, in the given order."""
    write_whole(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
