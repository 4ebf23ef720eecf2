"""``docsort train``: a labelled table in; bundle, metrics, predictions and report out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from rich.console import Console

from docsort.commands.audit import audit_corpus
from docsort.commands.baseline_scores import BaselineScores, measure_baseline
from docsort.commands.calibrated_bundle import calibrated_bundle
from docsort.commands.cascade_choice import corpus_cascade
from docsort.commands.hydra_verbs import (
    job_overrides,
    keep_job_files,
    output_dir,
    run_verb,
    settings_of,
)
from docsort.commands.outcome import score_split, split_metrics, write_json, write_predictions
from docsort.commands.provenance import provenance, report_lines
from docsort.commands.run_folder import (
    BUNDLE,
    METRICS,
    PREDICTIONS,
    REPORT,
    finished_metrics,
    last_lines,
    remove_unfinished,
)
from docsort.commands.show import metrics_table
from docsort.core.bundle import Bundle, Cascade, Manifest, read_bundle, seal
from docsort.core.errors import ConfigError
from docsort.core.pretrained import Pretrained, check_window, load_pretrained
from docsort.core.scorer import Scorer
from docsort.core.windows import WindowPlan
from docsort.data.audit import Audit
from docsort.data.corpus import Corpus
from docsort.data.labels import label_pairs
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from docsort.report.findings import measure
from docsort.report.model_card import BaseModel, model_card
from docsort.report.page import write_report
from docsort.report.results import LearningPoint, RunResults
from docsort.sweeps.trial import PRUNED, RunningTrial, TrialAddress
from lightning_modules.class_weights import make_class_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.fit import Fitted, RunSettings, TrainingRun
from lightning_modules.loggers import LoggerSettings
from lightning_modules.resume import AUTO, CHECKPOINTS, checkpoint_to_resume, what_differs
from lightning_modules.settings import ModelSettings
from lightning_modules.snapshots import LAST
from lightning_modules.trainer import with_precision
from lightning_modules.trainer_settings import check_validated
from lightning_modules.trial import TrialReports


def main(argv: list[str]) -> int:
    """Run ``docsort train`` with Hydra overrides; ``-m`` sweeps."""
    return run_verb("train", argv, train)


def train(config: Mapping[str, Any]) -> float:
    """One run. Returns validation macro-F1, by which a sweep compares its runs."""
    folder = output_dir()
    # before all else: what the run is compared with and recorded as is what it did
    config = {**config, "trainer": with_precision(config["trainer"])}
    data_settings = settings_of(DataSettings, "data", config["data"])
    model_settings = settings_of(ModelSettings.of, "model", config["model"])
    logger = settings_of(LoggerSettings, "logger", config["logger"])
    settings = RunSettings(config["seed"], config["patience"], config["checkpoint_minutes"], logger)
    if config["resume"] == AUTO and (finished := finished_metrics(folder)):
        _check_same(folder, _Inputs.read(config, data_settings, model_settings).manifest)
        print(f"finished before\n{last_lines(folder)}")
        return finished["val/macro_f1"]
    resume = _checkpoint(config["resume"], folder)
    run = TrainingRun(config["trainer"], folder, settings, resume, _trial_reports())
    console = Console(quiet=not run.is_first_process)
    pl.seed_everything(config["seed"], workers=True, verbose=False)

    inputs = _Inputs.read(config, data_settings, model_settings)
    pretrained, plan = inputs.pretrained, inputs.plan
    corpus, manifest = inputs.corpus, inputs.manifest
    run.check_resumed(manifest)
    check_validated(run.trainer, len(corpus.train), data_settings.batch_size)
    weights = make_class_weights(
        model_settings.class_weights,
        corpus.labels,
        _label_counts(corpus),
        len(corpus.train),
        corpus.task,
    )
    sizes = ", ".join(f"{name} {len(split)}" for name, split in corpus.splits().items())
    console.print(f"{corpus.name}: {len(corpus.labels)} labels; documents: {sizes}", markup=False)
    console.print(f"precision: {run.trainer.precision}", markup=False)
    look = None
    if run.is_first_process:
        keep_job_files(config)
        write_json(folder / "provenance.json", manifest.provenance)
        look = _FirstLook.at(inputs, data_settings, model_settings, folder, console)

    module = DocumentClassification(pretrained, manifest, model_settings, weights)
    data = DocumentDataModule(
        corpus, pretrained.tokenizer, plan, data_settings.batch_size, config["seed"]
    )
    fitted = run.fit(module, data, look.baseline.model if look else None)
    if look is None:
        return float("nan")
    remove_unfinished(folder)
    linear = look.baseline.model
    scorer = calibrated_bundle(folder / BUNDLE, module, corpus, fitted, linear, look.cascade)
    metrics = _write_results(folder, scorer, corpus, look, fitted, config)
    metrics_table(metrics, console)
    print(last_lines(folder), flush=True)
    run.log_results(metrics)  # the last: a server that is away is asked for minutes
    return metrics["val/macro_f1"]


def _check_same(folder: Path, manifest: Manifest) -> None:
    """Raises ConfigError when the finished run in ``folder`` is another one."""
    if why := what_differs(read_bundle(folder / BUNDLE).manifest, manifest):
        raise ConfigError(
            f"hydra.run.dir={folder} holds a finished run, and {why}; name another folder"
        )


def _checkpoint(given: str | None, folder: Path) -> Path | None:
    """What to go on from. Raises ConfigError where that would replace a finished run's files."""
    if given != AUTO and (folder / BUNDLE).exists():
        raise ConfigError(
            f"hydra.run.dir={folder} holds a finished run; name another folder (or resume={AUTO}, "
            "if it was stopped while it wrote its results)"
        )
    resume = checkpoint_to_resume(given, folder)
    if resume and finished_metrics(resume.absolute().parent.parent):
        raise ConfigError(
            f"resume={resume} is of a finished run, whose checkpoints this one would replace; to "
            f"go on from it, copy it to {folder / CHECKPOINTS / LAST} and give resume={AUTO}"
        )
    return resume


@dataclass(frozen=True)
class _Inputs:
    """What a run reads before it trains."""

    pretrained: Pretrained
    plan: WindowPlan
    corpus: Corpus
    manifest: Manifest

    @classmethod
    def read(
        cls, config: Mapping[str, Any], data_settings: DataSettings, model_settings: ModelSettings
    ) -> "_Inputs":
        """The corpus last: it takes the longest."""
        pretrained = load_pretrained(
            model_settings.pretrained, model_settings.sha256, model_settings.attention_dropout
        )
        check_window(model_settings.window, pretrained.encoder)
        plan = model_settings.plan(pretrained.tokenizer)
        corpus = load_corpus(data_settings, config["seed"])
        if corpus.task == "multi_label" and (limit := model_settings.cascade.max_extra_error):
            raise ConfigError(
                f"model.cascade.max_extra_error={limit} is for documents with one label each; "
                "give null where they may have several"
            )
        manifest = _manifest(corpus, model_settings, pretrained, config)
        return cls(pretrained, plan, corpus, manifest)


@dataclass(frozen=True)
class _FirstLook:
    """What the first process finds out about the documents before it trains."""

    audit: Audit
    baseline: BaselineScores
    cascade: Cascade | None

    @classmethod
    def at(
        cls,
        inputs: _Inputs,
        data_settings: DataSettings,
        model_settings: ModelSettings,
        folder: Path,
        console: Console,
    ) -> "_FirstLook":
        """Writes the audit into ``folder``."""
        corpus, tokenizer = inputs.corpus, inputs.pretrained.tokenizer
        audit = audit_corpus(corpus, data_settings, tokenizer, inputs.plan, folder)
        baseline = measure_baseline(corpus)
        figure = baseline.metrics["baseline/test/accuracy"]
        console.print(f"linear baseline: {figure:.4f} test accuracy")
        limit = model_settings.cascade.max_extra_error
        cascade = corpus_cascade(corpus, baseline.model, limit, console) if limit else None
        return cls(audit, baseline, cascade)


def _manifest(
    corpus: Corpus, settings: ModelSettings, pretrained: Pretrained, config: Mapping[str, Any]
) -> Manifest:
    return Manifest(
        task=corpus.task,
        labels=corpus.labels,
        window=settings.window,
        overlap=settings.overlap,
        max_windows=settings.max_windows,
        pooling=settings.pooling,
        provenance=provenance(corpus, pretrained, config, job_overrides()),
    )


def _write_results(
    folder: Path,
    scorer: Scorer,
    corpus: Corpus,
    look: _FirstLook,
    fitted: Fitted,
    config: Mapping[str, Any],
) -> dict[str, float]:
    """Score the test documents with the written bundle; write all that says how good it is."""
    test = score_split(scorer, corpus.test, "test")
    calibration, baseline = scorer.bundle.calibration, look.baseline
    leaked = np.isin(test.split["row"], look.audit.leaked_rows())
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
        train_counts=_label_counts(corpus),
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


def _label_counts(corpus: Corpus) -> tuple[int, ...]:
    pairs = label_pairs(corpus.train)
    counts = dict(zip(pairs.names, pairs.counts().tolist(), strict=True))
    return tuple(counts.get(label, 0) for label in corpus.labels)


def _learning_point(row: Mapping[str, float]) -> LearningPoint:
    return LearningPoint(
        epoch=row["epoch"],
        step=int(row["step"]),
        train_loss=row["train_loss"],
        val_loss=row["val_loss"],
        val_macro_f1=row["val_macro_f1"],
    )


def _trial_reports() -> list[TrialReports]:
    """What makes this run a trial of a sweep, when it is one."""
    address = TrialAddress.of_this_process()
    return [TrialReports(RunningTrial(address).is_hopeless, PRUNED)] if address else []
