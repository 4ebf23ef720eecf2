"""An audit to one self-contained HTML page with pictures: what a data exploration notebook shows.

Draws on nothing but the audit and, for people to judge by, the beginnings of the documents that it
names. Texts and labels are untrusted; jinja2 escapes all but the charts, which hold neither.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from docsort.data.audit import Audit
from docsort.data.documents import Found
from docsort.report import audit_charts
from docsort.report.audit_hints import audit_hints
from docsort.report.audit_lines import audit_lines
from docsort.report.excerpts import excerpt_of
from docsort.report.html import html_environment

MAX_SHOWN = 5
MAX_SUSPECTS = 10
MAX_PAIRS = 10

TextAt = Callable[[str, int], str]


@dataclass(frozen=True)
class Label:
    """One label's documents in each split, and of the commonest label's in all, a share."""

    name: str
    counts: dict[str, int]
    total: int
    share: float


def write_audit_page(path: Path, audit: Audit, text_at: TextAt) -> None:
    """Writes the page, UTF-8. ``text_at`` gives the text of a split's source row."""
    path.write_text(render_audit(audit, text_at), encoding="utf-8")


def render_audit(audit: Audit, text_at: TextAt) -> str:
    """The page as text; the same audit gives the same text."""
    labels = _labels(audit)
    shown = {
        "conflicts": audit.copies.conflicts,
        "wrong_encoding": audit.wrong_encoding,
        "other_language": audit.other_language,
        **{f"leaks_{name}": leaks.near for name, leaks in audit.copies.leaks.items()},
    }
    return (
        html_environment()
        .get_template("audit.html.j2")
        .render(
            audit=audit,
            hints=audit_hints(audit),
            labels=labels,
            lines=audit_lines(audit),
            charts=_charts(audit, labels),
            places={name: list(_with_texts(found, text_at)) for name, found in shown.items()},
            suspects=list(_with_texts(audit.label_errors, text_at, MAX_SUSPECTS)),
            leaked={name: _leaked(audit, name, text_at) for name in audit.copies.leaks},
            pairs=_confused(audit.label_errors),
        )
    )


def _labels(audit: Audit) -> list[Label]:
    """Commonest first, as the chart has them."""
    counts = {
        name: {split: of_label[name] for split, of_label in audit.labels.items()}
        for name in audit.labels["train"]
    }
    totals = {name: sum(each.values()) for name, each in counts.items()}
    most = max(totals.values())
    ordered = sorted(totals, key=lambda name: (-totals[name], name))
    return [Label(name, counts[name], totals[name], totals[name] / most) for name in ordered]


def _charts(audit: Audit, labels: list[Label]) -> dict[str, Markup]:
    counts = {split: [label.counts[split] for label in labels] for split in audit.labels}
    drawn = {"label_counts": audit_charts.label_counts(counts)}
    if audit.tokens is not None:
        drawn["token_lengths"] = audit_charts.token_histogram(audit.tokens)
    # Charts hold no text of users, see audit_charts.py.
    return {name: Markup(chart) for name, chart in drawn.items()}


def _with_texts(found: Found, text_at: TextAt, most: int = MAX_SHOWN) -> Iterator[dict[str, Any]]:
    """The first places with their excerpts, and those of the documents that they are like."""
    for place in found.places[:most]:
        shown: dict[str, Any] = dict(place)
        shown["excerpt"] = excerpt_of(text_at(shown["split"], shown["row"]))
        if "like_split" in shown:
            shown["like_excerpt"] = excerpt_of(text_at(shown["like_split"], shown["like_row"]))
        yield shown


def _leaked(audit: Audit, split: str, text_at: TextAt) -> list[dict[str, Any]]:
    rows = audit.leaked_rows(split)[:MAX_SHOWN]
    return [{"row": row, "excerpt": excerpt_of(text_at(split, row))} for row in rows]


def _confused(suspects: Found) -> list[tuple[list[str], list[str], int]]:
    """(given, suggested, documents): pairs of labels that several named suspects share."""
    places: Sequence[Mapping[str, Any]] = suspects.places
    pairs = Counter((tuple(each["label"]), tuple(each["suggested"])) for each in places)
    return [
        (list(given), list(suggested), count)
        for (given, suggested), count in pairs.most_common(MAX_PAIRS)
        if count > 1
    ]
