"""The reasons for which tests were skipped."""

from collections import Counter
from collections.abc import Iterable

import pytest


def reason_counts(reports: Iterable[pytest.TestReport]) -> list[str]:
    """One line per reason, the most frequent first."""
    counts = Counter(_reason(report) for report in reports)
    return [f"{num} skipped: {reason}" for reason, num in counts.most_common()]


def _reason(report: pytest.TestReport) -> str:
    # (path, line, reason), the reason as pytest prints it
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return said.removeprefix("Skipped: ")
