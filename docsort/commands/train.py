"""``docsort train``: a labelled table in; bundle, metrics, predictions and report out."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from rich.console import Console

from docsort.commands.baseline_scores import BaselineScores, measure_baseline
from docsort.commands.calibrated_bundle import calibrate, calibrated_bundle
from docsort.commands.first_look import FirstLook
from docsort.commands.hydra_verbs import keep_job_files, output_dir, run_verb, settings_of
from docsort.commands.outcome import write_json
from docsort.commands.refit_choice import corpus_to_refit
from docsort.commands.run_folder import (
    BUNDLE,
    CHECKPOINTS,
    PROVENANCE,
    finished_metrics,
    last_lines,
    refuse_evaluation,
    remove_unfinished,
    sole_run,
)
from docsort.commands.run_inputs import RunInputs
from docsort.commands.run_results import write_results
from docsort.commands.show import metrics_table
from docsort.core.bundle import Manifest, read_bundle
from docsort.core.errors import ConfigError
from docsort.data.corpus import Corpus
from docsort.data.settings import DataSettings
from docsort.sweeps.trial import PRUNED, RunningTrial, TrialAddress
from lightning_modules.classification import MACRO_F1, DocumentClassification
from lightning_modules.fit import Fitted, TrainingRun
from lightning_modules.loggers import LoggerSettings
from lightning_modules.processes import is_first_process
from lightning_modules.refit import remove_refit
from lightning_modules.resume import AUTO, checkpoint_to_resume, length_differs, what_differs
from lightning_modules.run_settings import RunSettings
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
    with _sole_checkpoints(config["resume"], folder):
        return _train(config, folder)


def _train(config: Mapping[str, Any], folder: Path) -> float:
    # before all else: what the run is compared with and recorded as is what it did
    config = {**config, "trainer": with_precision(config["trainer"])}
    data_settings, model_settings, settings = _settings(config)
    refuse_evaluation(folder)
    if config["resume"] == AUTO and (finished := finished_metrics(folder)):
        _check_same(folder, RunInputs.read(config, data_settings, model_settings).manifest)
        _refuse_longer(folder, config)
        remove_refit(folder / CHECKPOINTS)
        print(f"finished before\n{last_lines(folder)}")
        return finished[MACRO_F1]
    resume = _checkpoint(config["resume"], folder)
    run = TrainingRun(config["trainer"], folder, settings, resume, _trial_reports())
    console = Console(quiet=not run.is_first_process)
    pl.seed_everything(config["seed"], workers=True, verbose=False)

    inputs = RunInputs.read(config, data_settings, model_settings)
    corpus = inputs.corpus
    run.check_resumed(inputs.manifest)
    check_validated(run.trainer, len(corpus.train), data_settings.batch_size)
    sizes = ", ".join(f"{name} {len(split)}" for name, split in corpus.splits().items())
    console.print(f"{corpus.name}: {len(corpus.labels)} labels; documents: {sizes}", markup=False)
    console.print(f"precision: {run.trainer.precision}", markup=False)
    whole = corpus_to_refit(inputs, settings.refit_up_to, run.trainer.world_size)
    if whole:
        console.print(f"then once more with val: {len(whole.train)} documents (refit_up_to)")
    look = None
    if run.is_first_process:
        keep_job_files(config)
        write_json(folder / PROVENANCE, inputs.manifest.provenance)
        look = FirstLook.at(inputs, folder, console)

    module = inputs.module()
    fitted = run.fit(module, inputs.batches(), look.baseline.model if look else None)
    if look is None:
        return float("nan")
    remove_unfinished(folder)
    bundle = folder / BUNDLE
    calibrated = calibrate(bundle, module, corpus, look.baseline.model, look.cascade, run.device)
    if whole:
        del module  # it holds the first Trainer and its optimizer, as large again
        inputs = inputs.learning_from(whole)
        learned = _learn_again(run, inputs, fitted, look.baseline.thresholds)
    else:
        learned = _Learned(corpus, module, look.baseline, {})
    figures = {**calibrated.metrics, **fitted.metrics, **learned.metrics}
    scorer = calibrated_bundle(
        bundle,
        learned.module,
        corpus,
        calibrated.calibration,
        learned.baseline.model,
        figures,
        run.device,
    )
    metrics = write_results(
        folder, scorer, learned.corpus, look.audit, learned.baseline, fitted, config
    )
    run.remove_refit()
    metrics_table(metrics, console)
    print(last_lines(folder), flush=True)
    run.log_results(metrics)  # the last: a server that is away is asked for minutes
    return metrics[MACRO_F1]


@dataclass(frozen=True)
class _Learned:
    """A trained module, what it and the linear model have learned from, and metrics of training."""

    corpus: Corpus
    module: DocumentClassification
    baseline: BaselineScores
    metrics: dict[str, float]


def _learn_again(
    run: TrainingRun, inputs: RunInputs, fitted: Fitted, thresholds: tuple[float, ...] | None
) -> _Learned:
    """From all documents, which ``inputs`` has as train. ``thresholds``: the linear model's."""
    baseline = measure_baseline(inputs.corpus, thresholds)
    figure = baseline.metrics["baseline/test/accuracy"]
    print(f"once more, with val; linear baseline with val: {figure:.4f} test accuracy")
    pl.seed_everything(inputs.seed, workers=True, verbose=False)
    module = inputs.module()
    metrics = run.refit(module, inputs.batches(), fitted)
    return _Learned(inputs.corpus, module, baseline, metrics)


def _settings(config: Mapping[str, Any]) -> tuple[DataSettings, ModelSettings, RunSettings]:
    """Raises ConfigError."""
    data = settings_of(DataSettings, "data", config["data"])
    model = settings_of(ModelSettings.of, "model", config["model"])
    logger = settings_of(LoggerSettings, "logger", config["logger"])
    run = RunSettings(
        seed=config["seed"],
        patience=config["patience"],
        checkpoint_minutes=config["checkpoint_minutes"],
        refit_up_to=config["refit_up_to"],
        logger=logger,
    )
    return data, model, run


def _check_same(folder: Path, manifest: Manifest) -> None:
    """Raises ConfigError when the finished run in ``folder`` is another one."""
    if why := what_differs(read_bundle(folder / BUNDLE).manifest, manifest):
        raise ConfigError(
            f"hydra.run.dir={folder} holds a finished run, and {why}; name another folder"
        )


def _refuse_longer(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise ConfigError where a finished run is asked for with another length."""
    before = read_bundle(folder / BUNDLE).manifest.provenance["config"]
    if changed := length_differs(before, config):
        raise ConfigError(
            f"hydra.run.dir={folder} holds a finished run with {changed}, and nothing more is "
            "trained; begin a new run in another folder NEW. It goes on from this one's end where "
            f"{folder / CHECKPOINTS / LAST} is copied to NEW/{CHECKPOINTS}/{LAST} first, with "
            f"hydra.run.dir=NEW resume={AUTO}"
        )


def _checkpoint(given: str | None, folder: Path) -> Path | None:
    """What to go on from. Raises ConfigError where that would replace another run's results."""
    if given != AUTO:
        _refuse_results(folder)
    resume = checkpoint_to_resume(given, folder)
    if resume and finished_metrics(resume.absolute().parent.parent):
        raise ConfigError(
            f"resume={resume} is of a finished run, whose checkpoints this one would replace; to "
            f"go on from it, copy it to {folder / CHECKPOINTS / LAST} and give resume={AUTO}"
        )
    if given is None and (folder / CHECKPOINTS / LAST).exists() and is_first_process():
        print(
            f"warning: hydra.run.dir={folder} holds the checkpoints of a stopped run. This run "
            f"replaces them with its own (resume={AUTO} goes on with the stopped one)",
            file=sys.stderr,
            flush=True,
        )
    return resume


def _refuse_results(folder: Path) -> None:
    """Raise ConfigError where a new run would replace the results of a finished one."""
    if (folder / BUNDLE).exists():
        raise ConfigError(
            f"hydra.run.dir={folder} holds a finished run; name another folder (or resume={AUTO}, "
            "if it was stopped while it wrote its results)"
        )


@contextmanager
def _sole_checkpoints(resume: str | None, folder: Path) -> Iterator[None]:
    """Hold the run of a named checkpoint, too: new checkpoints are written beside it."""
    beside = Path(resume).absolute().parent if resume and resume != AUTO else folder
    run = beside.parent if beside.name == CHECKPOINTS else beside
    if run == folder or not beside.is_dir():
        yield
        return
    with sole_run(run, f"resume={resume}"):
        yield


def _trial_reports() -> list[TrialReports]:
    """What makes this run a trial of a sweep, when it is one."""
    address = TrialAddress.of_this_process()
    return [TrialReports(RunningTrial(address).is_hopeless, PRUNED)] if address else []
