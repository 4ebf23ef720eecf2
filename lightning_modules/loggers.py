"""Which loggers a run has: ``logs/metrics.csv`` always, and the one of the `logger` group."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from docsort.core.errors import ConfigError
from lightning_modules.csv_log import ContinuedCSVLogger

CSV, TENSORBOARD, MLFLOW = KINDS = ("csv", "tensorboard", "mlflow")


@dataclass(frozen=True)
class LoggerSettings:
    """What gets a run's figures beside ``logs/metrics.csv``. Mirrors conf/logger/*.yaml.

    Attributes:
        kind: ``csv`` for nothing more, ``tensorboard`` or ``mlflow``.
        uri: MLflow's store: an SQLite file or a server.
        experiment: MLflow's name for the runs that are to be compared.
    """

    kind: str = CSV
    uri: str | None = None
    experiment: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"logger.kind={self.kind} is not accepted; give {', '.join(KINDS)}")
        if self.kind != MLFLOW:
            return
        if not isinstance(self.experiment, str) or not self.experiment:
            raise ConfigError(f"logger.experiment={self.experiment} is not accepted; give a name")
        uri = str(self.uri)
        is_file = uri.startswith("sqlite:///")
        # the configuration is written into the bundle; a password may hold what ends a host's part,
        # so that "@" counts anywhere
        if any(sign in uri for sign in ("?" if is_file else "@?#")):
            raise ConfigError(
                "logger.uri may hold no user, password, token or query (no @, ? or #), for it is "
                "written into the bundle; give MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment"
            )
        if not (is_file or urlsplit(uri).scheme in ("http", "https")):
            raise ConfigError(
                f"logger.uri={self.uri} is not accepted; give an SQLite file as "
                "sqlite:///mlflow.db, or an MLflow server's http:// or https:// address"
            )


@runtime_checkable
class RunLogger(Protocol):
    """A logger that tells runs apart: it also gets where a run comes from, and what came of it."""

    def log_provenance(self, provenance: Mapping[str, Any]) -> None:
        """What ``provenance.json`` holds, once a run: a resumed one has it already."""

    def log_results(self, metrics: Mapping[str, float], step: int) -> None:
        """A finished run's metrics, at its last step."""

    def finalize(self, status: str) -> None:
        """``failed``: what came after the Trainer's own run failed."""


def make_loggers(settings: LoggerSettings, folder: Path, from_step: int) -> list[Logger]:
    """The loggers of a run in ``folder``; what is made again from ``from_step`` on stands once.

    Raises:
        ConfigError: a package is missing, or MLflow's store can't be opened.
    """
    loggers: list[Logger] = [ContinuedCSVLogger(folder, from_step)]
    if rank_zero_only.rank != 0:  # type: ignore[attr-defined]
        return loggers  # the first process logs; the others needn't load what they don't use
    try:
        if settings.kind == TENSORBOARD:
            from lightning_modules.tensorboard_log import ContinuedTensorBoardLogger

            loggers.append(ContinuedTensorBoardLogger(folder, from_step))
        elif settings.kind == MLFLOW:
            from lightning_modules.mlflow_log import ContinuedMLFlowLogger

            assert settings.uri
            assert settings.experiment
            loggers.append(
                ContinuedMLFlowLogger(folder, from_step, settings.uri, settings.experiment)
            )
    except ModuleNotFoundError as error:
        extra = settings.kind
        raise ConfigError(
            f"logger={extra} needs a package that is not installed ({error.name}); install it "
            f"with: pip install 'docsort[{extra}]'"
        ) from error
    return loggers
