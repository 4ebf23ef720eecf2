"""What `docsort train` finds out about the documents before it trains."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from docsort.commands.audit import audit_corpus
from docsort.commands.baseline_scores import BaselineScores, measure_baseline
from docsort.commands.cascade_choice import corpus_cascade
from docsort.commands.run_inputs import RunInputs
from docsort.core.bundle import Cascade
from docsort.data.audit import Audit


@dataclass(frozen=True)
class FirstLook:
    """Audit, linear baseline and, where one is asked for, the cascade."""

    audit: Audit
    baseline: BaselineScores
    cascade: Cascade | None

    @classmethod
    def at(
        cls,
        inputs: RunInputs,
        folder: Path,
        console: Console,
    ) -> "FirstLook":
        """Writes the audit into ``folder``."""
        corpus, tokenizer = inputs.corpus, inputs.pretrained.tokenizer
        audit = audit_corpus(corpus, inputs.data, tokenizer, inputs.plan, folder)
        baseline = measure_baseline(corpus)
        figure = baseline.metrics["baseline/test/accuracy"]
        console.print(f"linear baseline: {figure:.4f} test accuracy")
        limit = inputs.model.cascade.max_extra_error
        cascade = corpus_cascade(corpus, baseline.model, limit, console) if limit else None
        return cls(audit, baseline, cascade)
