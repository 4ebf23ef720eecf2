"""TorchServe as far as the handler may rely on it, and a handler that it has loaded."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from docsort.core.scorer import DocumentRead, Scorer
from handlers.docsort_handler import DocsortHandler

PLAIN, JSON = "text/plain", "application/json"


class Context:
    """TorchServe's context, as far as the handler may rely on it."""

    def __init__(self, model_dir: Path, types: Sequence[str | None] = ()) -> None:
        self.system_properties = {"model_dir": str(model_dir), "gpu_id": None}
        self.manifest = {"model": {"modelVersion": "7"}}
        self.model_name = "tiny"
        self.types = types
        self.statuses: dict[int, int] = {}
        self.response_headers: dict[tuple[int, str], str] = {}

    def get_all_request_header(self, index: int) -> dict[str, Any]:
        given = self.types[index]
        parameter = {"body": {"content-type": given}}  # TorchServe puts this among the headers
        return parameter if given is None else {**parameter, "CONTENT-type": given}

    def set_response_content_type(self, index: int, value: str) -> None:
        assert value == "application/json"

    def set_response_header(self, index: int, name: str, value: str) -> None:
        self.response_headers[index, name] = value

    def set_response_status(self, code: int, phrase: str, index: int) -> None:
        assert phrase
        self.statuses[index] = code


@pytest.fixture
def handler(tiny_bundle: Path, tmp_path: Path) -> DocsortHandler:
    (tmp_path / "bundle").symlink_to(tiny_bundle)
    handler = DocsortHandler()
    handler.initialize(Context(tmp_path))
    return handler


def ask(
    handler: DocsortHandler, *requests: tuple[str | None, bytes | None]
) -> list[tuple[int, Any]]:
    """Status and JSON of each answer."""
    context = Context(Path(), [content_type for content_type, _ in requests])
    data = [{} if body is None else {"body": bytearray(body)} for _, body in requests]
    answers = handler.handle(data, context)
    assert all(isinstance(answer, bytes) for answer in answers)
    return [(context.statuses[i], json.loads(answer)) for i, answer in enumerate(answers)]


def counting(monkeypatch: pytest.MonkeyPatch, fails: Callable[[Sequence[str]], bool]) -> list[int]:
    """The sizes of the calls to Scorer.read, which raises where ``fails`` says so."""
    sizes: list[int] = []
    read = Scorer.read

    def counted(self: Scorer, documents: Sequence[str]) -> list[DocumentRead]:
        sizes.append(len(documents))
        if fails(documents):
            raise RuntimeError(f"failed on {documents}")
        return read(self, documents)

    monkeypatch.setattr(Scorer, "read", counted)
    return sizes
