"""Findings to one self-contained HTML page; computes nothing but what a table shows.

Document texts and labels are untrusted; jinja2 escapes all but the charts, which hold neither.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from docsort.report import charts
from docsort.report.advice import advise
from docsort.report.curves import PrecisionRecall
from docsort.report.findings import Findings
from docsort.report.html import html_environment
from docsort.report.intervals import Interval
from docsort.report.results import RunResults

# Above these a matrix shows smaller cells, then numbers in place of names.
ROOMY_LABELS, NAMED_LABELS = 12, 30
ACCURACY_TARGETS = (0.90, 0.95, 0.98, 0.99, 0.995)
_HEADLINES = {
    "accuracy": ("Accuracy", "documents given the right label"),
    "macro_f1": ("Macro F1", "every label counts the same"),
    "weighted_f1": ("Weighted F1", "labels count by their documents"),
}
_MULTI_LABEL_HEADLINES = {
    "accuracy": ("Exact match", "documents with all labels right"),
    "macro_f1": ("Macro F1", "every label counts the same"),
    "micro_f1": ("Micro F1", "every single label given counts"),
}


@dataclass(frozen=True)
class Headline:
    """One figure with its interval, and the baseline's; lead is ours less the baseline's."""

    name: str
    meaning: str
    value: float
    interval: Interval
    baseline: float | None
    lead: Interval | None

    @property
    def standing(self) -> str:
        """ahead or behind when the whole lead's interval says so, else level."""
        if self.lead is None:
            return "alone"
        if not self.lead.is_known:
            return "level"
        return "ahead" if self.lead.low > 0 else "behind" if self.lead.high < 0 else "level"


@dataclass(frozen=True)
class Cell:
    """A confusion matrix's cell; tint in [0, 1] is how strongly it is coloured."""

    count: int
    tint: float
    right: bool
    title: str


def write_report(path: Path, results: RunResults, findings: Findings) -> None:
    """Writes the page, UTF-8; its folder must exist."""
    path.write_text(render_report(results, findings), encoding="utf-8")


def render_report(results: RunResults, findings: Findings) -> str:
    """The page as text; the same results and what was measured of them give the same text."""
    return (
        html_environment()
        .get_template("report.html.j2")
        .render(
            results=results,
            findings=findings,
            multi_label=results.task == "multi_label",
            headlines=_headlines(results, findings),
            advice=advise(results, findings),
            matrix=list(_matrix(results, findings)),
            matrix_size=_matrix_size(len(results.labels)),
            decisions=_decisions(findings),
            charts=_charts(results, findings),
            weakest=_weakest(findings),
            settings=list(_flat(results.config)),
            provenance=list(_flat(results.provenance)),
        )
    )


def _headlines(results: RunResults, findings: Findings) -> list[Headline]:
    names = _MULTI_LABEL_HEADLINES if results.task == "multi_label" else _HEADLINES
    baseline = findings.baseline_metrics
    return [
        Headline(
            name,
            meaning,
            findings.metrics[key],
            findings.intervals.metrics[key],
            None if baseline is None else baseline[key],
            findings.intervals.lead.get(key),
        )
        for key, (name, meaning) in names.items()
    ]


def _charts(results: RunResults, findings: Findings) -> dict[str, Markup]:
    """The charts that there is something to draw for, by name."""
    drawn = {
        "coverage": charts.coverage_curve(findings.coverage),
        "reliability": charts.reliability_diagram(
            findings.served_reliability, findings.raw_reliability
        ),
    }
    if findings.precision_recall:
        drawn["precision_recall"] = charts.precision_recall_curves(
            findings.precision_recall, _weakest(findings)
        )
    if len(findings.lengths) > 1:
        drawn["length"] = charts.length_bars(findings.lengths)
    if any(p.train_loss is not None or p.val_loss is not None for p in results.learning):
        drawn["learning_loss"] = charts.learning_losses(results.learning)
    if any(point.val_macro_f1 is not None for point in results.learning):
        drawn["learning_f1"] = charts.learning_f1(results.learning)
    # Charts hold no text of users, see charts.py.
    return {name: Markup(svg) for name, svg in drawn.items()}


def _weakest(findings: Findings) -> list[PrecisionRecall]:
    """The labels whose curves are drawn in colour."""
    by_precision = sorted(findings.precision_recall, key=lambda curve: curve.average_precision)
    return by_precision[: len(charts.HIGHLIGHTS)]


def _matrix(results: RunResults, findings: Findings) -> Iterator[list[Cell]]:
    for true, counts in enumerate(findings.matrix.tolist()):
        support = max(1, findings.classes[true].support)
        yield [
            _cell(count, count / support, results.labels[true], results.labels[predicted])
            for predicted, count in enumerate(counts)
        ]


def _cell(count: int, share: float, true: str, predicted: str) -> Cell:
    right = true == predicted
    # A single mistake among hundreds should still be seen: a root lifts small shares.
    tint = min(1.0, share if right else 0.12 + 0.88 * share**0.5)
    given = "rightly given" if right else f"taken for {predicted}"
    return Cell(count, round(tint, 3) if count else 0.0, right, f"{true} {given}: {count}")


def _matrix_size(num_labels: int) -> str:
    if num_labels <= ROOMY_LABELS:
        return "roomy"
    return "snug" if num_labels <= NAMED_LABELS else "tiny"


def _decisions(findings: Findings) -> list[tuple[float, object]]:
    """For each accuracy aimed at, how much can be decided on its own; those that say something."""
    everything = findings.metrics["accuracy"]
    targets = [target for target in ACCURACY_TARGETS if target > everything][:3]
    return [(target, findings.coverage.most_at(target)) for target in targets]


def _flat(nested: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names and values of a nested mapping, in its order."""
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
