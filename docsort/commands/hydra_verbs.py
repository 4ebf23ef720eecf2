"""Verbs that take Hydra overrides: composes conf/, turns Hydra's own errors into ours."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import docsort.__main__
from docsort.commands import plugins
from docsort.core.errors import ConfigError

# conf/ is installed inside the package (see setup.cfg), so that a conf/ where the user stands never
# shadows it
CONFIG_PATH = "pkg://docsort.conf"

T = TypeVar("T")


def run_verb(verb: str, argv: list[str], task: Callable[[dict[str, Any]], Any]) -> int:
    """Run ``task`` on the resolved configuration; under ``-m`` in a process for each run.

    Raises:
        ConfigError: an unknown key, group or value, in Hydra's words.
    """

    def call(config: DictConfig) -> Any:
        # Lightning starts further processes by this command line, which must be this job's alone
        sys.argv = [docsort.__main__.__file__, verb, *job_overrides()]
        resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        return task(resolved)  # type: ignore[arg-type]

    plugins.register()
    # else Hydra prints errors itself, and ends the process
    os.environ["HYDRA_FULL_ERROR"] = "1"
    given, sys.argv = sys.argv, [f"docsort {verb}", *argv]
    try:
        hydra.main(version_base="1.3", config_path=CONFIG_PATH, config_name=verb)(call)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error).strip()) from error
    finally:
        sys.argv = given
    return 0


def output_dir() -> Path:
    """This job's folder, which Hydra has made."""
    return Path(HydraConfig.get().runtime.output_dir)


def job_overrides() -> list[str]:
    """This job's own overrides, as given on the command line or by a sweep."""
    return list(HydraConfig.get().overrides.task)


def settings_of(make: Callable[..., T], group: str, values: dict[str, Any]) -> T:
    """Construct a settings class from its group. Raises ConfigError for keys it doesn't have."""
    try:
        return make(**values)
    except TypeError as error:
        raise ConfigError(f"the configuration group {group!r} does not fit: {error}") from error
