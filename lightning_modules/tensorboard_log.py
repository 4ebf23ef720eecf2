"""``logs/tensorboard``: a run's figures, settings and results for TensorBoard."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.utils.tensorboard  # noqa: F401 - says at once when tensorboard is missing
from lightning_fabric.loggers.logger import rank_zero_experiment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import TensorBoardLogger

from docsort.core.full_names import flat_settings
from lightning_modules.csv_log import LOGS

# what a table of runs compares; curves have the rest
RESULTS = ("test/accuracy", "test/macro_f1", "val/macro_f1")


class ContinuedTensorBoardLogger(TensorBoardLogger):
    """A file of events for each life of the run, the later hiding what it makes again."""

    def __init__(self, folder: Path, from_step: int) -> None:
        """``from_step``: events of this optimizer step and later ones are made again."""
        super().__init__(
            folder / LOGS,
            name="tensorboard",
            version="",
            default_hp_metric=False,
            purge_step=from_step,
        )
        self._from_step = from_step
        self._goes_on = from_step > 0 and any(Path(self.log_dir).glob("events.*"))
        self._config: dict[str, Any] = {}

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None and self._from_step == 0:
            shutil.rmtree(self.log_dir, ignore_errors=True)  # of a run that left no checkpoint
        return super().experiment

    @rank_zero_only
    def log_provenance(self, provenance: Mapping[str, Any]) -> None:
        self._config = dict(flat_settings(provenance.get("config", {})))
        if not self._goes_on:
            content = json.dumps(provenance, indent=2, ensure_ascii=False, default=str)
            self.experiment.add_text("provenance", f"```json\n{content}\n```")

    @rank_zero_only
    def log_results(self, metrics: Mapping[str, float], step: int) -> None:
        """Beside the settings, in the tab that compares runs."""
        results = {f"results/{name}": metrics[name] for name in RESULTS if name in metrics}
        self.log_hyperparams(self._config, results, step)
        self.experiment.close()
