"""A bundle's README.md: what the model is for, from what, how good, and where it fails.

Generated from the same findings as the report; holds no document text. Labels and settings are
untrusted here too: they are escaped, so that none becomes markup or breaks a table.
"""

import re
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from docsort.report.findings import Findings
from docsort.report.metrics import ClassRow
from docsort.report.results import RunResults

# Below either, a label is named among the limits.
WEAK_F1, FEW_DOCUMENTS = 0.7, 20
# Hyphens and plus signs make lists, but only where a line begins.
_MARKUP = re.compile(r"([\\`*_\[\]<>#|~$&]|^[-+])")


@dataclass(frozen=True)
class BaseModel:
    """The pretrained encoder: name and SPDX licence; None when nobody recorded the licence."""

    name: str
    license: str | None = None


def model_card(results: RunResults, findings: Findings, base_model: BaseModel) -> str:
    """Markdown with the front matter of the Hugging Face hub, ending in a newline."""
    environment = Environment(
        loader=PackageLoader("docsort.report"),
        undefined=StrictUndefined,
        # Not HTML: every value of users goes through the md filter.
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = _escaped
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}%"
    card = environment.get_template("model_card.md.j2").render(
        results=results,
        findings=findings,
        base_model=base_model,
        multi_label=results.task == "multi_label",
        weak=_weak(findings),
    )
    # What the template leaves out leaves empty lines behind.
    return re.sub(r"\n{3,}", "\n\n", card).strip() + "\n"


def _weak(findings: Findings) -> list[ClassRow]:
    """The weakest first; what was not tested stands before what is only rare."""
    weak = [row for row in findings.classes if row.f1 < WEAK_F1 or row.support < FEW_DOCUMENTS]
    return sorted(weak, key=lambda row: row.f1 if row.support else WEAK_F1)


def _escaped(value: object) -> str:
    """One line of plain text in Markdown."""
    return _MARKUP.sub(r"\\\1", " ".join(str(value).split()))
