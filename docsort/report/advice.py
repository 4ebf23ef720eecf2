"""What to try next when a run loses to its baseline, each hint from something that was measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from docsort.report.findings import Findings
from docsort.report.results import LearningPoint, RunResults

FEW_PER_LABEL = 50
MUCH_READ_IN_PART = 0.02
BIG_SHARE_OF_MISTAKES = 0.2


@dataclass(frozen=True)
class Advice:
    """One hint: what was seen in this run, and what to do about it, naming the setting."""

    seen: str
    try_next: str


Rule = Callable[[RunResults, Findings], Advice | None]


def advise(results: RunResults, findings: Findings) -> tuple[Advice, ...]:
    """Hints, the likeliest cause first; empty unless the run is behind its baseline."""
    if not findings.behind_baseline:
        return ()
    rules: tuple[Rule, ...] = (
        *_about_training(results),
        _few_documents,
        _read_in_part,
        _labels_never_given,
        _one_confusion,
        _within_chance,
    )
    found = [advice for rule in rules if (advice := rule(results, findings)) is not None]
    return (*found, _use_the_baseline(findings))


def _about_training(results: RunResults) -> tuple[Rule, ...]:
    """Whoever has diverged needs a lower rate; what came before says nothing against that."""
    validated = [point.val_loss for point in results.learning if point.val_loss is not None]
    if validated and not isfinite(validated[-1]):
        return (_diverged,)
    return (_stopped_early, _hardly_learned, _learned_by_heart)


def _diverged(results: RunResults, findings: Findings) -> Advice:
    validated = _measured(results, "val_loss")
    kept = f"; what was kept is from epoch {validated[-1].epoch:g} or before" if validated else ""
    return Advice(
        f"Training diverged: in the end the validation loss was no number{kept}.",
        "Lower model.optimizer.lr."
        if _is_set(results, "trainer", "precision", "32-true")
        else "Lower model.optimizer.lr, or give trainer.precision=32-true.",
    )


def _stopped_early(results: RunResults, findings: Findings) -> Advice | None:
    scored = _measured(results, "val_macro_f1")
    if len(scored) < 2:
        return None
    best, last = max(scored, key=_val_macro_f1), scored[-1]
    if best is not last or _val_macro_f1(last) - _val_macro_f1(scored[-2]) < 0.005:
        return None
    return Advice(
        "Validation macro F1 was still rising when training ended: "
        f"{_val_macro_f1(scored[-2]):.3f}, then {_val_macro_f1(last):.3f} after "
        f"epoch {last.epoch:g}.",
        f"Train longer: set trainer.max_epochs to more than {last.epoch:g}.",
    )


def _hardly_learned(results: RunResults, findings: Findings) -> Advice | None:
    losses = _measured(results, "train_loss")
    if results.task != "single_label" or not losses:
        return None
    guessing = float(np.log(len(results.labels)))
    last = losses[-1].train_loss
    if last is None or last < 0.7 * guessing:
        return None
    return Advice(
        f"The training loss ended at {last:.2f}; even guessing among {len(results.labels)} labels "
        f"costs {guessing:.2f}.",
        "Let it learn faster or longer: double model.optimizer.lr, or set trainer.max_epochs to "
        f"more than {losses[-1].epoch:g}.",
    )


def _learned_by_heart(results: RunResults, findings: Findings) -> Advice | None:
    losses = _measured(results, "val_loss")
    if len(losses) < 3:
        return None
    least = min(losses, key=_val_loss)
    if _val_loss(losses[-1]) < 1.1 * _val_loss(least):
        return None
    return Advice(
        f"Validation loss was lowest after epoch {least.epoch:g} ({_val_loss(least):.3f}) and rose "
        f"to {_val_loss(losses[-1]):.3f}: the training documents were being learned by heart.",
        f"Halve model.optimizer.lr, set trainer.max_epochs to less than {losses[-1].epoch:g}, or "
        "model.label_smoothing=0.1.",
    )


def _few_documents(results: RunResults, findings: Findings) -> Advice | None:
    if results.train_counts is None:
        return None
    middle = float(np.median(results.train_counts))
    if middle >= FEW_PER_LABEL:
        return None
    tested = [row for row in findings.classes if row.support]
    weakest = sorted(tested, key=lambda row: row.f1)[:3]
    return Advice(
        f"Half of the labels had {middle:.0f} training documents or fewer. With so few, word "
        "counts are hard to beat.",
        "Label more documents, first of the weakest labels: "
        + ", ".join(f"{row.label} (F1 {row.f1:.2f})" for row in weakest)
        + ".",
    )


def _read_in_part(results: RunResults, findings: Findings) -> Advice | None:
    count = findings.num_read_in_part or 0
    if count < MUCH_READ_IN_PART * results.num_documents:
        return None
    return Advice(
        f"{count} of {results.num_documents} test documents were read only in part; the baseline "
        "reads every word.",
        "Raise model.max_windows until all are read.",
    )


def _labels_never_given(results: RunResults, findings: Findings) -> Advice | None:
    missing = [row.label for row in findings.classes if row.support and not row.predicted]
    if not missing:
        return None
    shown = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
    return Advice(
        f"{len(missing)} of {len(results.labels)} labels were never given to a document: {shown}.",
        "Label more of them."
        if _is_set(results, "model", "class_weights", "balanced")
        else "Let rare labels count as much as common ones (model.class_weights=balanced), or "
        "label more of them.",
    )


def _one_confusion(results: RunResults, findings: Findings) -> Advice | None:
    if results.task != "single_label" or not findings.confusions:
        return None
    largest = findings.confusions[0]
    if largest.documents < max(5, BIG_SHARE_OF_MISTAKES * findings.num_mistakes):
        return None
    return Advice(
        f"{largest.documents} of {findings.num_mistakes} mistakes are “{largest.true}” taken for "
        f"“{largest.predicted}”.",
        "Read a few of them: if people would disagree too, sharpen or merge these two labels.",
    )


def _within_chance(results: RunResults, findings: Findings) -> Advice | None:
    lead = findings.intervals.lead["macro_f1"]
    if lead.high < 0 or lead.low > 0:
        return None
    return Advice(
        f"In macro F1 the difference to the baseline lies between {100 * lead.low:+.1f} and "
        f"{100 * lead.high:+.1f} points: it may be chance.",
        "Train with other seeds (seed=1,2,3 with -m) or test on more documents before you decide.",
    )


def _use_the_baseline(findings: Findings) -> Advice:
    baseline = findings.baseline_metrics or {}
    return Advice(
        f"The linear baseline reaches {100 * baseline['accuracy']:.1f}% accuracy and "
        f"{100 * baseline['macro_f1']:.1f}% macro F1 at a fraction of the cost.",
        "If nothing above helps, these documents don't need a BERT.",
    )


def _is_set(results: RunResults, group: str, name: str, value: object) -> bool:
    """Whether the run had this setting already, so that it need not be advised."""
    settings = results.config.get(group)
    return isinstance(settings, Mapping) and settings.get(name) == value


def _measured(results: RunResults, name: str) -> list[LearningPoint]:
    """The points with a finite figure of that name: 16-mixed skips steps whose loss is none."""
    figures = ((point, getattr(point, name)) for point in results.learning)
    return [point for point, figure in figures if figure is not None and isfinite(figure)]


def _val_macro_f1(point: LearningPoint) -> float:
    return point.val_macro_f1 or 0.0


def _val_loss(point: LearningPoint) -> float:
    return point.val_loss or 0.0
