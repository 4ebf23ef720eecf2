"""The table that ends a sweep: one row a run, from what each run wrote. Runs nothing."""

import json
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from docsort.commands.show import rows_table

SHOWN = ("val/macro_f1", "test/accuracy", "test/macro_f1", "train/seconds")


def sweep_rows(folder: Path) -> list[dict[str, Any]]:
    """Each run's number, overrides and figures; a run without metrics says so."""
    runs = sorted(
        (run for run in folder.iterdir() if (run / ".hydra").is_dir()),
        key=lambda run: int(run.name),
    )
    rows = [_row(run) for run in runs]
    return [{name: value for name, value in row.items() if _varies(name, rows)} for row in rows]


class SweepTable(Callback):
    """Hydra calls it when a sweep has ended (see hydra.callbacks in conf/train.yaml)."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table of the sweep's runs."""
        folder = Path(config.hydra.sweep.dir)
        if rows := sweep_rows(folder):
            rows_table(rows)
            print(f"sweep   {folder}")


def _varies(name: str, rows: list[dict[str, Any]]) -> bool:
    """Whether a column tells runs apart; what all were given alike would only fill the table."""
    return name in SHOWN or len(rows) == 1 or len({str(row.get(name)) for row in rows}) > 1


def _row(run: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"run": run.name}
    for override in OmegaConf.load(run / ".hydra" / "overrides.yaml"):
        name, _, value = str(override).partition("=")
        row[name] = value
    metrics = run / "metrics.json"
    figures = json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else {}
    return row | {name: figures.get(name, "failed") for name in SHOWN}
