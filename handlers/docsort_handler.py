"""TorchServe's requests to texts, predictions to bytes; no scoring and no REST rules of its own.

TorchServe imports this file by its name from the unpacked archive, whose ``docsort.core`` stands
beside it, and demands exactly one class. Two of TorchServe's habits shape it: standard output is
its control channel, so nothing here prints; and an exception fails every request of the batch,
so each request's error is answered on its own.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch

from docsort.core.answer_cache import SIZE_VARIABLE, AnswerCache
from docsort.core.errors import RequestError
from docsort.core.measures import Measure, measures_of
from docsort.core.rest import ClassifyRequest, parse_request, render_answer, render_error
from docsort.core.scorer import DocumentRead, Prediction, Scorer
from docsort.core.workload import TIMEOUT_VARIABLE, Deadline, cut_documents, cut_texts

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
# Batches in a row that had a failure and after which a single word could not be scored either. Not
# one, since memory of a GPU can be short for a moment.
MAX_FAILED_PROBES = 3
_LOG = logging.getLogger(__name__)
_In = TypeVar("_In")
_Out = TypeVar("_Out")


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
        # Half, since the chunk that is being scored may take longer than it was predicted to.
        self._budget_s = float(os.environ.get(TIMEOUT_VARIABLE, "120")) / 2
        self._answers = AnswerCache(int(os.environ.get(SIZE_VARIABLE, "0")))
        self._metrics = _declared_metrics(context)
        self._failed_probes = 0

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """One JSON answer a request of TorchServe's batch, in its order."""
        headers = [_headers(context, index) for index in range(len(data))]
        self._record(_waited(headers))
        requests = [
            _parse(fields.get("body"), headers[index].get("content-type"))
            for index, fields in enumerate(data)
        ]
        good = [request for request in requests if isinstance(request, ClassifyRequest)]
        outcomes = iter(self._score([text for r in good for text in r.texts], len(good) == 1))
        answers = []
        for index, request in enumerate(requests):
            answer: bytes | RequestError
            if isinstance(request, ClassifyRequest):
                answer = self._render(request, list(islice(outcomes, len(request.texts))))
            else:
                answer = request
            status = 200
            if isinstance(answer, RequestError):
                status, answer = answer.status, _to_json(render_error(answer))
            context.set_response_content_type(index, "application/json")
            context.set_response_header(index, "X-Model-Version", self._version)
            context.set_response_status(status, _PHRASES.get(status, "Error"), index)
            answers.append(answer)
        return answers

    def _score(self, texts: Sequence[str], alone: bool) -> list[Prediction | RequestError]:
        """Score all requests' texts together, so that lengths are grouped over all of them.

        What cannot be scored within the time that TorchServe allows a batch is refused, before
        TorchServe ends the worker and fails the whole batch. ``alone``: it is all of one request.
        """
        refusal = _too_much() if alone else _busy()
        kept = self._answers.find(texts)
        outcomes: list[Prediction | RequestError] = [answer or refusal for answer in kept]
        new = {index: texts[index] for index, answer in enumerate(kept) if answer is None}
        deadline = Deadline(self._budget_s)
        chunks = cut_texts([len(text) for text in new.values()], deadline)
        documents: dict[int, DocumentRead] = {}
        for index, document in self._each(self._read, new, chunks, deadline):
            if isinstance(document, RequestError):
                outcomes[index] = document
            else:
                documents[index] = document
        chunks = cut_documents([document.num_tokens for document in documents.values()], deadline)
        for index, outcome in self._each(self._predict, documents, chunks, deadline):
            outcomes[index] = outcome
            if isinstance(outcome, Prediction):
                self._answers.keep(texts[index], outcome)
        if any(_is_failure(outcome) for outcome in outcomes):
            self._end_if_broken()
        elif any(isinstance(outcomes[index], Prediction) for index in documents):
            self._failed_probes = 0
        if any(outcome is refusal for outcome in outcomes):
            _LOG.warning("a batch took too long; what was left of it is refused")
        scored = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
        self._record(measures_of(scored, self._scorer.bundle))
        return outcomes

    def _read(self, texts: Sequence[str]) -> list[DocumentRead]:
        with self._timed("docsort_tokenize_seconds"):
            return self._scorer.read(texts)

    def _predict(self, documents: Sequence[DocumentRead]) -> list[Prediction]:
        with self._timed("docsort_model_seconds"):
            return self._scorer.predict(documents)

    def _each(
        self,
        step: Callable[[Sequence[_In]], list[_Out]],
        inputs: Mapping[int, _In],
        chunks: Iterator[list[int]],
        deadline: Deadline,
    ) -> Iterator[tuple[int, _Out | RequestError]]:
        """What a step makes of its inputs, chunk by chunk, each by its key."""
        keys = list(inputs)
        for chunk in chunks:
            some = [keys[place] for place in chunk]
            results = self._together_or_alone(step, [inputs[key] for key in some], deadline)
            yield from zip(some, results, strict=False)  # results end early when time is up

    def _together_or_alone(
        self, step: Callable[[Sequence[_In]], list[_Out]], inputs: Sequence[_In], deadline: Deadline
    ) -> Iterator[_Out | RequestError]:
        """What a step makes of its inputs; where it fails on all, of each alone while time allows.

        In place of what it fails on alone stands an error.
        """
        try:
            results: Sequence[_Out | RequestError] = step(inputs)
        except Exception as error:
            kind = type(error).__name__  # its message may hold text
        else:
            yield from results
            return
        # Not in the block: the error's traceback keeps all that the failed step had in memory.
        if len(inputs) == 1:
            _LOG.error("scoring failed: %s", kind)
            yield _internal_error()
            return
        for one in inputs:
            if deadline.left_s <= 0:
                return
            yield from self._together_or_alone(step, [one], deadline)

    def _end_if_broken(self) -> None:
        """End this worker if it fails on everything, as after an error of CUDA.

        It would stay, and be taken for ready; TorchServe starts another one. Whoever sends a
        document that the model fails on has a word scored beside it, and ends nothing.
        """
        try:
            self._scorer.probe()
        except Exception as error:
            self._failed_probes += 1
            _LOG.error("scoring a single word failed: %s", type(error).__name__)
            if self._failed_probes >= MAX_FAILED_PROBES:
                _LOG.critical("this worker fails on everything: it ends, for another to be started")
                os._exit(1)  # without the clean-up of what is broken
        else:
            self._failed_probes = 0

    @contextmanager
    def _timed(self, metric: str) -> Iterator[None]:
        """Record the seconds that the block takes, unless it fails."""
        started = time.perf_counter()
        yield
        self._record([(metric, time.perf_counter() - started, ())])

    def _render(
        self, request: ClassifyRequest, outcomes: Sequence[Prediction | RequestError]
    ) -> bytes | RequestError:
        predictions = [outcome for outcome in outcomes if isinstance(outcome, Prediction)]
        for outcome in outcomes:
            if isinstance(outcome, RequestError):
                return outcome
        try:
            return _to_json(
                render_answer(request, predictions, self._scorer.bundle, self._name, self._version)
            )
        except RequestError as error:
            return error
        except ValueError:  # NaN, which is no JSON
            _LOG.error("the model gave a probability that is not a number")
            return _internal_error()

    def _record(self, measures: Iterable[Measure]) -> None:
        for name, value, dimensions in measures:
            if name in self._metrics:
                own = [*dimensions, self._name, self._version, "Model"]
                self._metrics[name].add_or_update(value, own)


def _declared_metrics(context: Any) -> dict[str, Any]:
    """By name, what TorchServe's metrics configuration declares; elsewhere nothing is measured."""
    metrics = getattr(context, "metrics", None)
    of_types = metrics.cache.values() if metrics is not None else ()
    return {name: metric for of_type in of_types for name, metric in of_type.items()}


def _headers(context: Any, index: int) -> dict[str, str]:
    """The request's own headers; TorchServe keeps their names in the client's letters."""
    given = context.get_all_request_header(index).items()
    return {name.lower(): str(value) for name, value in given}


def _waited(headers: Sequence[Mapping[str, str]]) -> Iterator[Measure]:
    """Seconds since Nginx passed each request on, by the clock of the machine that both run on."""
    for sent in headers:
        try:
            waited_s = time.time() - float(sent["x-request-start"])
        except (KeyError, ValueError):  # it did not come through Nginx
            continue
        yield "docsort_queue_seconds", max(0.0, waited_s), ()


def _parse(body: bytes | None, content_type: str | None) -> ClassifyRequest | RequestError:
    try:
        return parse_request(bytes(body or b""), content_type)
    except RequestError as error:
        return error


def _to_json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _internal_error() -> RequestError:
    return RequestError(500, "internal", "the model failed on this request")


def _is_failure(outcome: Prediction | RequestError) -> bool:
    return isinstance(outcome, RequestError) and outcome.status == 500


def _busy() -> RequestError:
    return RequestError(503, "busy", "too much text is waiting; ask again")


def _too_much() -> RequestError:
    return RequestError(
        422, "too_much_text", "more text than this server can read in time; send it in parts"
    )
