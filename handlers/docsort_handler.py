"""TorchServe's requests to texts, predictions to bytes; no scoring and no REST rules of its own.

TorchServe imports this file by its name from the unpacked archive, whose ``docsort.core`` stands
beside it, and demands exactly one class. Two of TorchServe's habits shape it: standard output is
its control channel, so nothing here prints; and an exception fails every request of the batch,
so each request's error is answered on its own.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from docsort.core.errors import RequestError
from docsort.core.rest import ClassifyRequest, parse_request, render_answer, render_error
from docsort.core.scorer import Prediction, Scorer

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
}
_LOG = logging.getLogger(__name__)


class DocsortHandler:
    """One bundle in one worker process."""

    def initialize(self, context: Any) -> None:
        """Load the archive's bundle, on the GPU that TorchServe gave this worker, or the CPU."""
        properties = context.system_properties
        gpu = properties.get("gpu_id")
        device = f"cuda:{gpu}" if gpu is not None and torch.cuda.is_available() else "cpu"
        try:
            self._scorer = Scorer.load(Path(properties["model_dir"]) / "bundle", device)
        except Exception as error:
            # TorchServe reports only a MemoryError or RuntimeError; others end the worker unsaid.
            raise RuntimeError(f"the bundle cannot be loaded: {error}") from error
        self._name = context.model_name
        self._version = context.manifest["model"]["modelVersion"]

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """One JSON answer a request of TorchServe's batch, in its order."""
        requests = [
            _parse(fields.get("body"), _content_type(context, index))
            for index, fields in enumerate(data)
        ]
        good = [request for request in requests if isinstance(request, ClassifyRequest)]
        outcomes = iter(self._score(good))
        answers = []
        for index, request in enumerate(requests):
            outcome = next(outcomes) if isinstance(request, ClassifyRequest) else request
            context.set_response_content_type(index, "application/json")
            status = 200
            if isinstance(outcome, RequestError):
                status, outcome = outcome.status, _to_json(render_error(outcome))
            context.set_response_status(status, _PHRASES.get(status, "Error"), index)
            answers.append(outcome)
        return answers

    def _score(self, requests: Sequence[ClassifyRequest]) -> list[bytes | RequestError]:
        """Score all requests' texts in one call, so that lengths are grouped over all of them."""
        try:
            predictions = self._scorer.score([text for r in requests for text in r.texts])
        except Exception as error:
            if len(requests) < 2:
                _LOG.error("scoring failed: %s", type(error).__name__)  # its message may hold text
                return [_internal_error() for _ in requests]
            return [outcome for request in requests for outcome in self._score([request])]
        outcomes, start = [], 0
        for request in requests:
            end = start + len(request.texts)
            outcomes.append(self._render(request, predictions[start:end]))
            start = end
        return outcomes

    def _render(
        self, request: ClassifyRequest, predictions: Sequence[Prediction]
    ) -> bytes | RequestError:
        try:
            return _to_json(
                render_answer(request, predictions, self._scorer.bundle, self._name, self._version)
            )
        except RequestError as error:
            return error
        except ValueError:  # NaN, which is no JSON
            _LOG.error("the model gave a probability that is not a number")
            return _internal_error()


def _content_type(context: Any, index: int) -> str | None:
    """The request's own header; TorchServe keeps its name in the client's letters."""
    for name, value in context.get_all_request_header(index).items():
        if name.lower() == "content-type":
            return str(value)
    return None


def _parse(body: bytes | None, content_type: str | None) -> ClassifyRequest | RequestError:
    try:
        return parse_request(bytes(body or b""), content_type)
    except RequestError as error:
        return error


def _to_json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _internal_error() -> RequestError:
    return RequestError(500, "internal", "the model failed on this request")
