"""What prove.py runs in a fresh process: an unpacked archive's handler on its golden documents.

Run as ``python -I proof_process.py UNPACKED``. Imports nothing of docsort before the archive's own
copy stands first on ``sys.path``, as TorchServe puts it.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

OURS = ("docsort", "docsort_handler")
# The serving image has torch, transformers and TorchServe, and need not have these.
FORBIDDEN = ("pytorch_lightning", "lightning", "hydra", "omegaconf", "pandas", "sklearn")


class FakeContext:
    """As much of TorchServe's ``Context`` as a handler of text requests touches."""

    def __init__(self, folder: Path, num_requests: int, content_type: str) -> None:
        self.manifest = json.loads((folder / "MAR-INF/MANIFEST.json").read_text("utf-8"))
        self.model_name = self.manifest["model"]["modelName"]
        self.system_properties = {"model_dir": str(folder), "gpu_id": None, "batch_size": 32}
        self.statuses = [200] * num_requests
        self.headers = {"Content-Type": content_type}

    def get_all_request_header(self, index: int) -> dict[str, str]:
        return self.headers

    def set_response_content_type(self, index: int, value: str) -> None:
        assert value == "application/json", value

    def set_response_header(self, index: int, name: str, value: str) -> None:
        assert value.isascii(), value

    def set_response_status(self, code: int, phrase: str, index: int) -> None:
        self.statuses[index] = code


def main(folder: Path) -> None:
    """Raise unless the archive proves itself."""
    sys.path.insert(0, str(folder))  # where TorchServe puts it
    sys.meta_path.insert(0, ArchiveFinder(folder))
    handler_class = importlib.import_module("docsort_handler").DocsortHandler
    golden = importlib.import_module("docsort.core.golden")
    handler = handler_class()
    handler.initialize(FakeContext(folder, 0, "text/plain"))

    def score(texts: list[str]) -> Any:
        context = FakeContext(folder, len(texts), "text/plain")
        answers = handler.handle([{"body": bytearray(t.encode())} for t in texts], context)
        assert context.statuses == [200] * len(texts), f"it answered {context.statuses}"
        labels = json.loads((folder / "bundle/bundle.json").read_text("utf-8"))["labels"]
        scores = [
            {entry["label"]: entry["score"] for entry in json.loads(answer)["scores"]}
            for answer in answers
        ]
        return np.array([[given[label] for label in labels] for given in scores])

    golden.check_golden(folder / "bundle", score)
    _check_modules(folder)


class ArchiveFinder:
    """Finds our modules in the archive or nowhere, whatever else is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.split(".", maxsplit=1)[0] not in OURS:
            return None
        spec = PathFinder.find_spec(name, path or [str(self._folder)])
        if spec is None:
            raise ModuleNotFoundError(f"the archive has no module {name}", name=name)
        return spec


def _check_modules(folder: Path) -> None:
    ours = {n: m for n, m in sys.modules.items() if n.split(".", maxsplit=1)[0] in OURS}
    for name, module in ours.items():
        origin = Path(module.__file__ or "")
        if not origin.resolve().is_relative_to(folder.resolve()):
            raise ImportError(f"{name} came from {origin}, not from the archive")
    if loaded := [name for name in FORBIDDEN if name in sys.modules]:
        raise ImportError(f"the archive imports {', '.join(loaded)}, which serving does not have")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
