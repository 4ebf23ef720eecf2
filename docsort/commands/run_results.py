"""What a finished run leaves beside its checkpoints: metrics, predictions, report, model card."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from docsort.commands.baseline_scores import BaselineScores
from docsort.commands.outcome import score_split, split_metrics, write_json, write_predictions
from docsort.commands.provenance import report_lines
from docsort.commands.run_folder import METRICS, PREDICTIONS, REPORT
from docsort.commands.run_inputs import label_counts
from docsort.core.bundle import Bundle, seal
from docsort.core.scorer import Scorer
from docsort.data.audit import Audit
from docsort.data.corpus import Corpus
from docsort.report.findings import measure
from docsort.report.model_card import BaseModel, model_card
from docsort.report.page import write_report
from docsort.report.results import LearningPoint, RunResults
from lightning_modules.fit import Fitted


def write_results(
    folder: Path,
    scorer: Scorer,
    corpus: Corpus,
    audit: Audit,
    baseline: BaselineScores,
    fitted: Fitted,
    config: Mapping[str, Any],
) -> dict[str, float]:
    """Score the test documents with the written bundle; write all that says how good it is.

    ``corpus``: its train is what the bundle's models have learned from.
    """
    test = score_split(scorer, corpus.test, "test")
    calibration = scorer.bundle.calibration
    leaked = np.isin(test.split["row"], audit.dependent_rows())
    metrics = {
        **split_metrics("test", test, calibration),
        **scorer.bundle.provenance["metrics"],
        **baseline.metrics,
    }
    if calibration.cascade:
        by_linear = [receipt.answered_by == "linear" for receipt in test.receipts]
        metrics["test/answered_by_linear"] = float(np.mean(by_linear))
    if leaked.any() and not leaked.all():
        metrics |= split_metrics("test_without_leaks", test.where(~leaked), calibration)
    write_predictions(folder / PREDICTIONS, test, scorer)
    results = RunResults(
        title=corpus.name,
        **test.report_fields(scorer.bundle),
        leaked=leaked if leaked.any() else None,
        baseline_probabilities=baseline.test_probabilities,
        baseline_thresholds=baseline.thresholds,
        train_counts=label_counts(corpus),
        refitted="train/refit_documents" in metrics,
        learning=tuple(_learning_point(row) for row in fitted.learning_curve),
        config=config,
        provenance=report_lines(scorer.bundle.provenance),
    )
    findings = measure(results)
    write_report(folder / REPORT, results, findings)
    model = config["model"]
    card = model_card(results, findings, BaseModel(model["pretrained"], model["license"]))
    _complete(scorer.bundle, card, metrics)
    write_json(folder / METRICS, metrics)
    return metrics


def _complete(bundle: Bundle, card: str, metrics: Mapping[str, float]) -> None:
    """Add what only a whole bundle could tell: its model card and its metrics."""
    (bundle.path / "README.md").write_text(card, encoding="utf-8")
    provenance = {**bundle.provenance, "metrics": dict(metrics)}
    seal(bundle.path, replace(bundle.manifest, provenance=provenance))


def _learning_point(row: Mapping[str, float]) -> LearningPoint:
    return LearningPoint(
        epoch=row["epoch"],
        step=int(row["step"]),
        train_loss=row["train_loss"],
        val_loss=row["val_loss"],
        val_macro_f1=row["val_macro_f1"],
    )
