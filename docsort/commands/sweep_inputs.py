"""Whether runs that a sweep has made before had the data, weights and settings of its next ones.

Reads what they recorded of themselves, and the files that the settings name now. Runs nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docsort.commands.hydra_verbs import settings_of
from docsort.commands.run_folder import PROVENANCE
from docsort.core.errors import ConfigError
from docsort.core.pretrained import locate, weights_sha256
from docsort.data.settings import DataSettings
from docsort.data.sources import open_sources, source_hashes
from lightning_modules.resume import inputs_differ
from lightning_modules.settings import ModelSettings


class SweepInputs:
    """The inputs that configurations name, each table and each model hashed once."""

    def __init__(self) -> None:
        self._data: dict[str, dict[str, str]] = {}
        self._weights: dict[str, str] = {}

    def check_same(self, run: Path, config: Mapping[str, Any]) -> None:
        """Compare what the run in a folder was trained with to what it would be trained with now.

        Args:
            run: the folder; nothing is compared before it has a provenance.
            config: the run's settings now, resolved.

        Raises:
            ConfigError: other data, weights or settings.
            DataError: the data can't be read.
            ModelError: the pretrained weights can't be read.
        """
        file = run / PROVENANCE
        if not file.is_file():
            return
        then: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if why := inputs_differ(then, self._provenance(config, then)):
            raise ConfigError(
                f"hydra.sweep.dir={run.parent} holds run {run.name} of this sweep, and {why}; go "
                "on with the data, weights and settings that it was trained with, or name another "
                "folder"
            )

    def _provenance(self, config: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
        data = settings_of(DataSettings, "data", config["data"])
        model = settings_of(ModelSettings.of, "model", config["model"])
        trainer = dict(config["trainer"])
        if trainer.get("precision", "") is None:  # the machine of the run chose
            trainer["precision"] = then["config"]["trainer"].get("precision")
        key = json.dumps(config["data"], sort_keys=True)
        if key not in self._data:
            self._data[key] = source_hashes(open_sources(data))
        if model.pretrained not in self._weights:
            self._weights[model.pretrained] = weights_sha256(locate(model.pretrained))
        return {
            "config": json.loads(json.dumps({**config, "trainer": trainer})),
            "data": self._data[key],
            "base_model": {"weights_sha256": self._weights[model.pretrained]},
        }
