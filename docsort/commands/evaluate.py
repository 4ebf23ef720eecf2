"""``docsort evaluate``: a bundle or a checkpoint on a labelled file; the same files as training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from docsort.commands.hydra_verbs import (
    job_overrides,
    keep_job_files,
    output_dir,
    run_verb,
    settings_of,
)
from docsort.commands.outcome import score_split, split_metrics, write_json, write_predictions
from docsort.commands.provenance import report_lines, seen_before, table_settings
from docsort.commands.run_folder import METRICS, PREDICTIONS, REPORT, refuse_training_run
from docsort.commands.show import metrics_table
from docsort.core.bundle import read_bundle
from docsort.core.errors import ConfigError
from docsort.core.scorer import Scorer
from docsort.data.load import load_labelled
from docsort.data.settings import DataSettings
from docsort.report.findings import measure
from docsort.report.page import write_report
from docsort.report.results import RunResults


def main(argv: list[str]) -> int:
    """Run ``docsort evaluate`` with Hydra overrides."""
    return run_verb("evaluate", argv, evaluate)


def evaluate(config: Mapping[str, Any]) -> float:
    """Score one file. Returns its accuracy."""
    folder, console = output_dir(), Console()
    file = config["data"]["test"]
    _check_source(config["data"]["source"])
    if file is None:
        raise ConfigError("data.test is missing: name the labelled file, as in data.test=FILE.csv")
    _check_model(config)
    refuse_training_run(folder)
    trained = _as_trained(config["bundle"])
    for key, value in trained.items():
        console.print(f"as the bundle was trained: data.{key}={value}", markup=False)
    # the settings of a table ask for a file to learn from; here the one file is all there is
    settings = settings_of(DataSettings, "data", {**config["data"], **trained, "train": file})
    scorer = _scorer(config)
    labelled = load_labelled(file, settings, scorer.task, scorer.count_tokens)
    rows = labelled.rows
    seen = seen_before(scorer.bundle.provenance, rows.source, rows.sha256)
    for told in (labelled.account.line(), *labelled.notes, *([seen] if seen else [])):
        console.print(told, markup=False, soft_wrap=True)
    outcome = score_split(scorer, rows.dataset, Path(file).name)
    metrics = split_metrics("test", outcome, scorer.bundle.calibration)
    keep_job_files(config)
    write_predictions(folder / PREDICTIONS, outcome, scorer)
    fields = outcome.report_fields(scorer.bundle)
    if config["checkpoint"] is not None:
        fields["uncalibrated_probabilities"] = None  # they are all there are: nothing was fitted
    provenance = {
        **report_lines(scorer.bundle.provenance),
        f"evaluated on {rows.source} (SHA-256)": rows.sha256,
        **({"used before": seen} if seen is not None else {}),
        **{f"rows left out: {why}": count for why, count in labelled.account.dropped.items()},
    }
    results = RunResults(
        title=scorer.bundle.provenance["name"], **fields, config=config, provenance=provenance
    )
    write_json(folder / "provenance.json", provenance)
    write_report(folder / REPORT, results, measure(results))
    write_json(folder / METRICS, metrics)
    metrics_table(metrics, console)
    print(f"metrics {folder / METRICS}\nreport  {folder / REPORT}")
    return metrics["test/accuracy"]


def _as_trained(bundle: str | None) -> dict[str, Any]:
    """How to read the file where the bundle's table was read otherwise than by default."""
    if bundle is None:
        return {}
    given = {override.lstrip("+").partition("=")[0] for override in job_overrides()}
    defaults = vars(DataSettings(source="table", name="defaults", train="any"))
    return {
        key: value
        for key, value in table_settings(read_bundle(bundle).provenance).items()
        if f"data.{key}" not in given and value != defaults[key]
    }


def _check_source(source: str) -> None:
    if source != "table":
        raise ConfigError(
            f"data.source={source} can't be evaluated on: evaluate reads one labelled file. Leave "
            "data=csv as it is, and name the file: data.test=FILE.csv"
        )


def _check_model(config: Mapping[str, Any]) -> None:
    if (config["bundle"] is None) == (config["checkpoint"] is None):
        raise ConfigError("give one of bundle=DIR and checkpoint=FILE")


def _scorer(config: Mapping[str, Any]) -> Scorer:
    bundle, checkpoint = config["bundle"], config["checkpoint"]
    if bundle is not None:
        return Scorer.load(bundle, config["device"])
    # imported here: a bundle is evaluated without Lightning
    from lightning_modules.checkpoints import scorer_from_checkpoint

    return scorer_from_checkpoint(Path(checkpoint)).to(config["device"])
