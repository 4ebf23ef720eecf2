"""What `docsort train` leaves in a run's folder that tells whether it has finished.

`docsort evaluate` writes files of the same names.
"""

import json
import shutil
from pathlib import Path

from docsort.core.disk import remove_partials

# written last: a run whose folder has it is finished
METRICS = "metrics.json"
BUNDLE = "bundle"
REPORT = "report.html"
PREDICTIONS = "predictions.parquet"


def finished_metrics(folder: Path) -> dict[str, float] | None:
    """The metrics of the finished run in ``folder``; None where there is none."""
    file = folder / METRICS
    if not file.is_file():
        return None
    metrics: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    return metrics


def remove_unfinished(folder: Path) -> None:
    """Make room for the results of a run that was stopped while it wrote them."""
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    for name in (BUNDLE, PREDICTIONS, METRICS):
        remove_partials(folder / name)


def last_lines(folder: Path) -> str:
    """Where a finished run's results are."""
    return f"bundle  {folder / BUNDLE}\nreport  {folder / REPORT}"
