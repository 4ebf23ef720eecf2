"""The REST contract: request bodies to texts, predictions to JSON answers, errors to JSON.

Knows nothing about TorchServe or Nginx, and never puts a document's text into a message.

Accepted bodies: ``text/plain`` (the document itself), or JSON ``{"text": "…"}``,
``{"inputs": "…"}`` or ``{"inputs": ["…", …], "parameters": {"top_k": 3}}``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docsort.core.bundle import Bundle
from docsort.core.errors import RequestError
from docsort.core.json_bodies import is_object_of, read_json
from docsort.core.probabilities import decide, limits
from docsort.core.scorer import Prediction

MAX_DOCUMENTS = 256
_FIELDS = ("text", "inputs", "parameters")
_BYTE_ORDER_MARK = "\ufeff"
_ACCEPTED_JSON = '{"text": "…"}, {"inputs": "…"} or {"inputs": ["…", "…"]}'


@dataclass(frozen=True)
class ClassifyRequest:
    """The documents of one request; ``single`` when one object is to be answered, not a list."""

    texts: tuple[str, ...]
    single: bool
    top_k: int | None = None


def parse_request(body: bytes, content_type: str | None) -> ClassifyRequest:
    """Read a request's body.

    Raises:
        RequestError: 400 not UTF-8 or not JSON; 415 another content type; 422 not acceptable.
    """
    media_type = _media_type(content_type)
    if media_type not in ("text/plain", "application/json"):
        raise RequestError(
            415,
            "unsupported_media_type",
            "Content-Type must be text/plain or application/json, in UTF-8",
        )
    try:
        content = bytes(body).decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise RequestError(
            400, "not_utf8", f"the body is not UTF-8 (byte {error.start}); send UTF-8"
        ) from None
    if media_type == "application/json":
        return _parse_json(content)
    if is_object_of(content, _FIELDS, needs=("text", "inputs")):
        raise RequestError(
            422,
            "json_as_text",
            "this is JSON: send Content-Type application/json; to classify it as a document, send "
            'it as {"text": …}',
        )
    return ClassifyRequest((_check_text(content, None),), single=True)


def check_request(texts: Sequence[str], top_k: int | None = None) -> ClassifyRequest:
    """A request for a list of texts that did not come over HTTP. Raises RequestError."""
    return ClassifyRequest(_check_list(list(texts)), False, _check_top_k(top_k))


def render_answer(
    request: ClassifyRequest,
    predictions: Sequence[Prediction],
    bundle: Bundle,
    model_name: str,
    version: str,
) -> dict[str, Any] | list[dict[str, Any]]:
    """The JSON answer: one object for a single text, else a list in the request's order.

    Raises:
        RequestError: 422 when a document turned out to have no token, or top_k is too large.
    """
    if request.top_k is not None and request.top_k > len(bundle.labels):
        raise _bad_top_k(f"is over this model's {len(bundle.labels)} labels")
    answers = []
    for index, prediction in enumerate(predictions):
        if prediction.receipt.tokens == 0:
            raise _empty(None if request.single else index)
        answers.append(_render_one(prediction, request.top_k, bundle, model_name, version))
    return answers[0] if request.single else answers


def render_error(error: RequestError) -> dict[str, Any]:
    """The JSON of a refusal."""
    content: dict[str, Any] = {
        "code": error.status,
        "type": error.type,
        "message": error.message,
    }
    if error.index is not None:
        content["index"] = error.index
    return {"error": content}


def _media_type(content_type: str | None) -> str:
    """The lower-cased media type; empty where the charset is not UTF-8."""
    media_type, *parameters = (content_type or "").lower().split(";")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8", "us-ascii"):
            return ""
    return media_type.strip()


def _parse_json(content: str) -> ClassifyRequest:
    try:
        fields = read_json(content)
    except ValueError as error:
        raise RequestError(
            400, "not_json", f"the body is not JSON: {error}; accepted: {_ACCEPTED_JSON}"
        ) from None
    if not isinstance(fields, dict) or ("text" in fields) == ("inputs" in fields):
        raise RequestError(422, "bad_fields", f"accepted: {_ACCEPTED_JSON}")
    if unknown := set(fields) - set(_FIELDS):
        raise RequestError(
            422, "bad_fields", f"{len(unknown)} unknown field(s); accepted: {', '.join(_FIELDS)}"
        )
    top_k = _parse_parameters(fields.get("parameters"))
    if "text" in fields or isinstance(fields["inputs"], str):
        text = fields["text"] if "text" in fields else fields["inputs"]
        return ClassifyRequest((_check_text(text, None),), True, top_k)
    return ClassifyRequest(_check_list(fields["inputs"]), False, top_k)


def _check_list(inputs: Any) -> tuple[str, ...]:
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= MAX_DOCUMENTS:
        raise RequestError(
            422, "bad_inputs", f"inputs must be a text or a list of 1 to {MAX_DOCUMENTS} texts"
        )
    return tuple(_check_text(text, index) for index, text in enumerate(inputs))


def _check_text(text: Any, index: int | None) -> str:
    if not isinstance(text, str):
        raise RequestError(422, "not_text", "a document must be a JSON string", index)
    if not text.strip():
        raise _empty(index)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise RequestError(
            422, "bad_text", "a document holds a lone surrogate, which is no character", index
        ) from None
    return text


def _parse_parameters(parameters: Any) -> int | None:
    if parameters is None:
        return None
    if not isinstance(parameters, dict) or set(parameters) - {"top_k"}:
        raise RequestError(422, "bad_parameters", 'parameters must be {"top_k": N} or be left out')
    return _check_top_k(parameters.get("top_k"))


def _check_top_k(top_k: Any) -> int | None:
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise _bad_top_k("is not a whole number from 1 up")
    return top_k


def _bad_top_k(what: str) -> RequestError:
    return RequestError(422, "bad_parameters", f"parameters.top_k {what}")


def _empty(index: int | None) -> RequestError:
    return RequestError(
        422, "empty_document", "a document is empty; it must hold at least one word", index
    )


def _render_one(
    prediction: Prediction, top_k: int | None, bundle: Bundle, model_name: str, version: str
) -> dict[str, Any]:
    decided = decide(prediction.probabilities, bundle.task, bundle.calibration.thresholds)
    scores = _scores(prediction, bundle)
    order = sorted(range(len(scores)), key=lambda c: -scores[c]["score"])
    shown = [c for rank, c in enumerate(order) if rank < (top_k or len(order)) or c in decided]
    if bundle.task == "single_label":
        decision: dict[str, Any] = dict(scores[order[0]])
    else:
        decision = {"labels": [bundle.labels[c] for c in decided]}
    return {
        **decision,
        "scores": [scores[c] for c in shown],
        "receipt": {
            "tokens": prediction.receipt.tokens,
            "tokens_read": prediction.receipt.tokens_read,
            "windows": prediction.receipt.windows,
            "answered_by": prediction.receipt.answered_by,
        },
        "model": {"name": model_name, "version": version},
    }


def _scores(prediction: Prediction, bundle: Bundle) -> list[dict[str, Any]]:
    """A score for each class, in the classes' order; of several labels with its threshold."""
    scores: list[dict[str, Any]] = [
        {"label": label, "score": float(probability)}
        for label, probability in zip(bundle.labels, prediction.probabilities, strict=True)
    ]
    if bundle.task == "multi_label":
        thresholds_C = limits(len(scores), bundle.calibration.thresholds)
        for score, threshold in zip(scores, thresholds_C, strict=True):
            score["threshold"] = float(threshold)
    return scores
