"""A trained module to a bundle: all calibration is fitted on validation, then all is written."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from docsort.commands.golden_choice import golden_texts
from docsort.commands.outcome import score_split, split_metrics
from docsort.core.bundle import Bundle, Calibration, Cascade
from docsort.core.golden import write_bundle
from docsort.core.linear import LinearModel
from docsort.core.scorer import Scorer
from docsort.data.corpus import Corpus
from docsort.report.calibration import fit_mixture, fit_temperature, tune_thresholds
from lightning_modules.classification import DocumentClassification

# of the linear model's confidence: another machine's rounding must not change who answers
MARGIN = 1e-3


@dataclass(frozen=True)
class Calibrated:
    """Calibration fitted on val, and what was measured there: flat metrics."""

    calibration: Calibration
    metrics: dict[str, float]


def calibrate(
    path: Path,
    module: DocumentClassification,
    corpus: Corpus,
    linear: LinearModel,
    cascade: Cascade | None,
    device: str,
) -> Calibrated:
    """Fit temperature, mixture and thresholds on val.

    ``path``: where the bundle will be; ``device``: where val is scored.

    The metrics of val are those of the encoder with the linear model's evidence, without a
    cascade, and ``encoder/val`` those of the encoder alone.
    """
    # a copy: what is ready to score can't be written any more
    classifier = copy.deepcopy(module.classifier).eval()
    scorer = Scorer(Bundle(path, module.manifest, {}), classifier, module.tokenizer).to(device)
    val = score_split(scorer, corpus.val, "val")
    calibration = Calibration(fit_temperature(val.logits_DC.numpy(), val.truth))
    alone = split_metrics("encoder/val", val, calibration)
    if module.settings.linear:
        evidence_DC = linear.evidence(corpus.val["text"], corpus.task)
        temperature, weight = fit_mixture(val.logits_DC.numpy(), evidence_DC.numpy(), val.truth)
        calibration = Calibration(temperature, linear_weight=weight)
        val = replace(val, logits_DC=val.logits_DC + weight * evidence_DC)
    if corpus.task == "multi_label":
        probabilities_DC = val.probabilities_DC(calibration.temperature)
        calibration = replace(calibration, thresholds=tune_thresholds(probabilities_DC, val.truth))
    metrics = {**split_metrics("val", val, calibration), **alone}
    return Calibrated(replace(calibration, cascade=cascade), metrics)


def calibrated_bundle(
    path: Path,
    module: DocumentClassification,
    corpus: Corpus,
    calibration: Calibration,
    linear: LinearModel,
    metrics: Mapping[str, float],
    device: str,
) -> Scorer:
    """Write the bundle with these metrics in its provenance; read it back, onto ``device``."""
    cascade = calibration.cascade
    manifest = replace(
        module.manifest,
        calibration=calibration,
        provenance={**module.manifest.provenance, "metrics": dict(metrics)},
    )
    write_bundle(
        path,
        manifest,
        module.classifier.cpu().eval(),
        module.tokenizer,
        golden_texts(corpus, _near_no_threshold(linear, cascade)),
        linear if calibration.uses_linear else None,
    )
    return Scorer.load(path, device)


def _near_no_threshold(linear: LinearModel, cascade: Cascade | None) -> Callable[[str], bool]:
    """Whether a document is answered by the same model on every machine."""
    if cascade is None:
        return lambda _: True
    threshold = cascade.threshold

    def is_clear(text: str) -> bool:
        confidence = float(linear.evidence([text], "single_label").exp().max())
        return abs(confidence - threshold) > MARGIN

    return is_clear
