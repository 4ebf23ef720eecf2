"""A trained module to a bundle: all calibration is fitted on validation, then all is written."""

import copy
from collections.abc import Callable
from dataclasses import replace
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
from lightning_modules.fit import Fitted

# of the linear model's confidence: another machine's rounding must not change who answers
MARGIN = 1e-3


def calibrated_bundle(
    path: Path,
    module: DocumentClassification,
    corpus: Corpus,
    fitted: Fitted,
    linear: LinearModel,
    cascade: Cascade | None,
) -> Scorer:
    """Fit temperature, mixture and thresholds on val, write the bundle, and read it back.

    Its metrics of val are those of the encoder with the linear model's evidence, without a
    cascade, and ``encoder/val`` those of the encoder alone.
    """
    classifier = module.classifier.cpu().eval()
    # a copy: what is ready to score can't be written any more
    bundle = Bundle(path, module.manifest, {})
    scorer = Scorer(bundle, copy.deepcopy(classifier), module.tokenizer).to("cpu")
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
    metrics = {**split_metrics("val", val, calibration), **alone, **fitted.metrics}
    calibration = replace(calibration, cascade=cascade)
    manifest = replace(
        module.manifest,
        calibration=calibration,
        provenance={**module.manifest.provenance, "metrics": metrics},
    )
    return write_bundle(
        path,
        manifest,
        classifier,
        module.tokenizer,
        golden_texts(corpus, _near_no_threshold(linear, cascade)),
        linear if calibration.uses_linear else None,
    )


def _near_no_threshold(linear: LinearModel, cascade: Cascade | None) -> Callable[[str], bool]:
    """Whether a document is answered by the same model on every machine."""
    if cascade is None:
        return lambda _: True
    threshold = cascade.threshold

    def is_clear(text: str) -> bool:
        confidence = float(linear.evidence([text], "single_label").exp().max())
        return abs(confidence - threshold) > MARGIN

    return is_clear
