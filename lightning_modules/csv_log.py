"""``logs/metrics.csv``: a run's figures, step by step; a resumed run goes on in the same place."""

import csv
import warnings
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import CSVLogger

LOGS = "logs"


class ContinuedCSVLogger(CSVLogger):
    """``logs/metrics.csv``, a row whenever something is logged, on disk at once."""

    def __init__(self, folder: Path, from_step: int) -> None:
        """``from_step``: rows of this optimizer step and later ones are made again."""
        super().__init__(folder, name=LOGS, version="", flush_logs_every_n_steps=1)
        self._from_step = from_step

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            file = Path(self.log_dir) / "metrics.csv"
            kept = _rows_before(file, self._from_step) if file.is_file() else []
            with warnings.catch_warnings():
                # Lightning says that it deletes the file: we have read it, and write it again
                warnings.filterwarnings("ignore", message="Experiment logs directory")
                writer = super().experiment
            writer.metrics = kept
            writer.save()
        return self._experiment


def _rows_before(file: Path, step: int) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(stream)]
    # a power cut may have left a row without all of its cells
    return [row for row in rows if row.get("step", "").isdecimal() and int(row["step"]) < step]
