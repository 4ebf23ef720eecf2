"""How Lightning's checkpoints get to disk and back: whole or not at all, and with no pickle."""

from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io import TorchCheckpointIO

from docsort.core.disk import whole_file


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's own writer goes by a file in the temporary folder, which is another disk."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Raises StorageError when the disk is full; the checkpoint of before is still there."""
        with whole_file(Path(path)) as stream:
            torch.save(checkpoint, stream)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        content: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        return content
