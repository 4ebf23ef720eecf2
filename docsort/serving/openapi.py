"""The contract of port 1337 for programs: an OpenAPI 3.1 document, served at /openapi.json.

Statuses and messages are taken from where they are answered: Nginx's error pages and core/rest.py.
"""

from collections.abc import Sequence
from typing import Any

import docsort
from docsort.serving.error_pages import ErrorPage
from docsort.serving.mar import NAME
from docsort.serving.openapi_schemas import TEXT, schemas
from docsort.serving.settings import ServeSettings

# Status, type and meaning of what the handler refuses by itself; all else is Nginx's, too. One bad
# entry refuses its list, and index names it.
_REFUSED_BY_HANDLER = (
    (400, "not_utf8", "the body is not UTF-8"),
    (400, "not_json", "the body is not JSON that can be read"),
    (422, "json_as_text", "a request in JSON was sent as text/plain"),
    (422, "bad_fields", "the object's fields are not those of Request"),
    (422, "bad_inputs", "inputs is neither a text nor a list that is accepted"),
    (422, "bad_parameters", "parameters is not what is accepted"),
    (422, "not_text", "a document is no string"),
    (422, "bad_text", "a document holds a lone surrogate"),
    (422, "empty_document", "a document has no word"),
    (422, "too_much_text", "more text than can be read in time"),
)
_NOT_OF_PREDICTIONS = ("not_found", "method_not_allowed", "tls_required", "uri_too_long")


def openapi(settings: ServeSettings, errors: Sequence[ErrorPage]) -> dict[str, Any]:
    """The document, for JSON; with security where ``settings`` ask for API keys."""
    predict = "/predictions/{name}"
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "docsort",
            "version": docsort.__version__,
            "summary": "Documents in, label probabilities and a receipt of what was read out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            predict: {"post": _predict(settings, errors, "the default version", ["name"])},
            predict + "/{version}": {
                "post": _predict(settings, errors, "one version", ["name", "version"])
            },
            "/livez": {"get": _get("Alive", {200: _json({"$ref": "#/components/schemas/Alive"})})},
            "/readyz": {
                "get": _get(
                    "Ready: every default version has a worker that gave its golden answers",
                    {
                        200: _json({"$ref": "#/components/schemas/Ready"}),
                        503: _error([("not_ready", "not ready")], retry=True),
                    },
                )
            },
            "/openapi.json": {"get": _get("This document", {200: _json({"type": "object"})})},
            "/": {
                "get": _get(
                    "A page to paste a document into",
                    {200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
                )
            },
        },
        "components": {"schemas": schemas(_types(errors))},
    }
    if settings.api_keys:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        }
    return document


def _types(errors: Sequence[ErrorPage]) -> list[str]:
    """Of every error, of whatever path."""
    return sorted({type for _, type, _ in _REFUSED_BY_HANDLER} | {error.type for error in errors})


def _predict(
    settings: ServeSettings, errors: Sequence[ErrorPage], which: str, names: list[str]
) -> dict[str, Any]:
    """One of the two operations that classify."""
    refusals: dict[int, list[tuple[str, str]]] = {}
    for status, type, meaning in _REFUSED_BY_HANDLER:
        refusals.setdefault(status, []).append((type, meaning))
    for error in errors:
        if error.type not in _NOT_OF_PREDICTIONS and (error.status != 401 or settings.api_keys):
            refusals.setdefault(error.status, []).append((error.type, error.message))
    operation: dict[str, Any] = {
        "operationId": "classify" if len(names) == 1 else "classifyByVersion",
        "summary": f"Classify documents by {which}",
        "description": f"Bodies of up to {settings.max_body_bytes} bytes, with a Content-Length.",
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {
                    "type": "string",
                    "pattern": "^" + NAME.pattern.removesuffix(r"\Z") + "$",
                },
            }
            for name in names
        ],
        "requestBody": {"required": True, "content": _bodies()},
        "responses": {
            "200": _described("predictions", _json({"$ref": "#/components/schemas/Answer"})),
            **{
                str(status): _error(reasons, retry=status in (429, 503))
                for status, reasons in sorted(refusals.items())
            },
        },
    }
    if settings.api_keys:
        operation["security"] = [{"bearer": []}, {"apiKey": []}]
    return operation


def _bodies() -> dict[str, Any]:
    ref = {"$ref": "#/components/schemas/Request"}
    return {
        "text/plain": {"schema": TEXT, "example": "The mean of two samples differs."},
        "application/json": {
            "schema": ref,
            "examples": {
                "text": {"value": {"text": "The mean of two samples differs."}},
                "list": {
                    "value": {
                        "inputs": ["Invert a square matrix.", "Resample by month."],
                        "parameters": {"top_k": 1},
                    }
                },
            },
        },
    }


def _get(summary: str, responses: dict[int, dict[str, Any]]) -> dict[str, Any]:
    described = {str(status): _described(summary, said) for status, said in responses.items()}
    return {"summary": summary, "responses": described}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _described(description: str, response: dict[str, Any]) -> dict[str, Any]:
    request_id = {"schema": {"type": "string"}, "description": "stands in the server's log too"}
    headers = {"X-Request-Id": request_id, **response.get("headers", {})}
    return {"description": description, **response, "headers": headers}


def _error(reasons: Sequence[tuple[str, str]], retry: bool) -> dict[str, Any]:
    """``reasons``: the types that this status may have, and what each means."""
    types = {"enum": [type for type, _ in reasons]}
    of_these = {"properties": {"error": {"properties": {"type": types}}}}
    said = _json({"allOf": [{"$ref": "#/components/schemas/Error"}, of_these]})
    if retry:
        seconds = {"type": "integer", "minimum": 1}
        said["headers"] = {"Retry-After": {"required": True, "schema": seconds}}
    return _described("; ".join(f"{type}: {meaning}" for type, meaning in reasons), said)
