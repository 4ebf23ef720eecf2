"""Figures as short tables on the terminal. Computes nothing."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

SHOWN = ("accuracy", "macro_f1", "weighted_f1", "loss")


def metrics_table(metrics: Mapping[str, float], console: Console | None = None) -> None:
    """Test metrics, the linear baseline's beside them where it was measured."""
    with_baseline = "baseline/test/accuracy" in metrics
    table = Table("test", "docsort", *(["linear baseline"] if with_baseline else []))
    for name in SHOWN:
        ours = f"{metrics[f'test/{name}']:.4f}"
        table.add_row(
            name, ours, *([f"{metrics[f'baseline/test/{name}']:.4f}"] if with_baseline else [])
        )
    (console or Console()).print(table)


def rows_table(rows: Sequence[Mapping[str, object]], console: Console | None = None) -> None:
    """Rows with the same keys, as a table."""
    table = Table(*rows[0])
    for row in rows:
        table.add_row(
            *(escape(f"{v:.4f}" if isinstance(v, float) else str(v)) for v in row.values())
        )
    (console or Console()).print(table)
