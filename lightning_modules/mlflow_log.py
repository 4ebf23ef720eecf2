"""A run of MLflow: figures, settings, commit, hashes and results; a resumed run goes on in it."""

import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import MLFlowLogger

from docsort.core.errors import ConfigError
from docsort.core.full_names import flat_settings
from lightning_modules.csv_log import LOGS

# no usage report to MLflow's makers; read when mlflow is imported
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
with warnings.catch_warnings():
    # MLflow 3.17 with SQLAlchemy 2.1, of what it does itself
    warnings.simplefilter("ignore", DeprecationWarning)
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    from mlflow.entities import LifecycleStage
    from mlflow.exceptions import MlflowException

RUN_ID = "mlflow_run_id"
_GIT_COMMIT = "mlflow.source.git.commit"


class ContinuedMLFlowLogger(MLFlowLogger):
    """Goes on with the run whose id stands in ``logs/mlflow_run_id``, if the store has it.

    MLflow takes nothing back: of a step that is made again, the first figures stay.
    """

    def __init__(self, folder: Path, from_step: int, uri: str, experiment: str) -> None:
        """``from_step``: figures of this optimizer step and later ones are made again.

        Raises:
            ConfigError: the store can't be opened.
        """
        # that it makes tables in a new file, and an experiment for a new name
        for name in ("mlflow", "alembic", "pytorch_lightning.loggers.mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            name = "/".join(folder.absolute().parts[-2:])
            super().__init__(experiment, run_name=name, tracking_uri=uri)
            self._mlflow_client.search_experiments(max_results=1)
        except Exception as error:  # SQLite's, the network's or MLflow's own
            why = str(error).strip().partition("\n")[0]
            raise ConfigError(
                f"logger.uri={uri} can't be opened as an MLflow store: {why}"
            ) from error
        self._id_file = folder / LOGS / RUN_ID
        self._from_step = from_step
        self._had: set[tuple[str, int]] = set()
        self._resumed = self._is_away = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if not self._initialized:
            self._find_run()
            try:
                client = super().experiment
            except MlflowException:  # another run of a sweep has just made the experiment
                client = super().experiment
            self._id_file.parent.mkdir(parents=True, exist_ok=True)
            self._id_file.write_text(f"{self._run_id}\n", encoding="utf-8")
            return client
        return super().experiment

    def _find_run(self) -> None:
        client, before = self._mlflow_client, self._id_before()
        if before is None:
            return
        if self._from_step == 0:  # died before its first checkpoint: this is another run
            client.set_terminated(before, "KILLED")
            return
        self._run_id, self._resumed = before, True
        client.update_run(before, status="RUNNING")
        for name in client.get_run(before).data.metrics:
            self._had |= {(name, each.step) for each in client.get_metric_history(before, name)}

    def _id_before(self) -> str | None:
        """None also for a run that was deleted: MLflow still finds it, but takes nothing for it."""
        with suppress(OSError, MlflowException):
            found = self._id_file.read_text(encoding="utf-8").strip()
            info = self._mlflow_client.get_run(found).info
            if info.lifecycle_stage == LifecycleStage.ACTIVE:
                return info.run_id  # type: ignore[no-any-return]
        return None

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """A store that is away costs the figures of the steps to come, not the run.

        It isn't asked again before the results: over a network each try takes minutes.
        """
        what = f"takes no figures from step {step} on, which are in {LOGS}/metrics.csv"
        self._unless_away(what, partial(self._log, metrics, step))

    @rank_zero_only
    def finalize(self, status: str = "success") -> None:
        """Only of a failure: what goes well isn't over before its results."""
        if status != "success":
            self._unless_away("is not told how the run ended", partial(super().finalize, status))

    def _unless_away(self, what: str, tell: Callable[[], None]) -> None:
        """Tell the store something unless it is away; where it has just gone, say so, this once."""
        if self._is_away:
            return
        try:
            tell()
        except Exception as error:  # the network's, the disk's or MLflow's own
            self._is_away = True
            why = (str(error).strip() or type(error).__name__).partition("\n")[0]
            print(f"warning: MLflow {what}: {why}", file=sys.stderr)

    def _log(self, metrics: Mapping[str, float], step: int | None) -> None:
        _ = self.experiment  # finds what the run has
        if new := {name: x for name, x in metrics.items() if (name, step or 0) not in self._had}:
            super().log_metrics(new, step)

    @rank_zero_only
    def log_provenance(self, provenance: Mapping[str, Any]) -> None:
        client = self.experiment
        if self._resumed:
            return
        settings = flat_settings(provenance.get("config", {}))
        # keys of model.class_weights are labels, with any characters
        self.log_hyperparams({re.sub(r"[^\w/.: -]", "_", name): x for name, x in settings})
        for name, value in provenance.items():
            if name != "config" and value is not None:
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                tag = _GIT_COMMIT if name == "git_commit" else f"docsort.{name}"
                client.set_tag(self.run_id, tag, text)

    @rank_zero_only
    def log_results(self, metrics: Mapping[str, float], step: int) -> None:
        self._log({f"results/{name}": value for name, value in metrics.items()}, step)
        super().finalize()
