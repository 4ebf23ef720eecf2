"""A trial's result as one dated table under benchmarks/results. Knows nothing of what was tried."""

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from docsort.commands.provenance import git_commit
from docsort.core.golden import machine

RESULTS = Path(__file__).parent / "results"
# Of --quick runs, whose figures mean nothing; git ignores it.
QUICK_RESULTS = Path("runs/benchmarks")


def write_table(
    name: str,
    title: str,
    command: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    notes: Sequence[str] = (),
) -> None:
    """Print it, and write it to ``DATE-NAME.md``."""
    today = date.today().isoformat()
    lines = [
        f"# {title}, {today}",
        "",
        f"`{command}` at {git_commit()}; {machine()}, {len(os.sched_getaffinity(0))} cores, load "
        f"average {os.getloadavg()[0]:.1f} at the end.",
        "",
        *table(columns, rows),
        *(line for note in notes for line in ("", note)),
    ]
    RESULTS.mkdir(exist_ok=True)
    text = "\n".join(lines) + "\n"
    (RESULTS / f"{today}-{name}.md").write_text(text, encoding="utf-8")
    print(text)


def table(columns: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table."""
    return [_row(columns), _row(["---"] * len(columns)), *map(_row, rows)]


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
