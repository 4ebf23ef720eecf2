"""``logs/metrics.csv``: a run's figures, step by step; a resumed run goes on in the same place."""

import csv
import io
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from docsort.core.disk import remove_partials, write_whole

LOGS = "logs"


class ContinuedCSVLogger(CSVLogger):
    """``logs/metrics.csv``, a row whenever something is logged, on disk at once."""

    def __init__(self, folder: Path, from_step: int, version: str = "") -> None:
        """``from_step``: rows of this optimizer step and later ones are made again.

        ``version``: a folder in ``logs``, of a run that is not the run itself.
        """
        super().__init__(folder, name=LOGS, version=version, flush_logs_every_n_steps=1)
        self._from_step = from_step

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            self._experiment = _KeepingWriter(self.log_dir, self._from_step)
        return self._experiment


class _KeepingWriter(ExperimentWriter):
    """Appends rows as Lightning's does; whenever it writes the others again, then aside."""

    def __init__(self, log_dir: str, from_step: int) -> None:
        super().__init__(log_dir)
        file = Path(self.metrics_file_path)
        remove_partials(file)
        kept = _rows_before(file, from_step) if file.is_file() else []
        self.metrics_keys = sorted({name for row in kept for name in row})
        if kept:
            self._write_whole(kept)
        else:
            file.unlink(missing_ok=True)

    def _check_log_dir_exists(self) -> None:
        """Lightning's deletes the file."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        with Path(self.metrics_file_path).open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            rows, before = list(reader), list(reader.fieldnames or ())
        try:
            self._write_whole(rows)
        except BaseException:
            # Lightning writes once more as the run ends: not these rows under the old header
            self.metrics_keys, self.metrics = before, []
            raise

    def _write_whole(self, rows: list[dict[str, Any]]) -> None:
        """A run that dies meanwhile keeps the rows of before. Raises StorageError."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.metrics_keys)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(Path(self.metrics_file_path), text.getvalue())


def _rows_before(file: Path, step: int) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="") as stream:
        rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(stream)]
    # a power cut may have left a row without all of its cells
    return [row for row in rows if row.get("step", "").isdecimal() and int(row["step"]) < step]
