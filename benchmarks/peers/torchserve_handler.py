"""A plain TorchServe handler: the whole batch through the model as it comes."""

from collections.abc import Mapping, Sequence
from typing import Any

from plain_model import PlainModel


class PlainHandler:
    """One model in one worker process."""

    def initialize(self, context: Any) -> None:
        self._model = PlainModel(context.system_properties["model_dir"])

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[dict[str, Any]]:
        return self._model.classify([each["body"] for each in data])  # text/plain comes as str
