"""The contract of port 1337 for programs: an OpenAPI 3.1 document, served at /openapi.json.

Its text is templates/openapi.json.j2. Statuses and messages are taken from where they are answered:
Nginx's error pages and core/rest.py.
"""

import json
from collections.abc import Sequence
from typing import Any, get_args

import docsort
from docsort.core.rest import MAX_DOCUMENTS
from docsort.core.windows import AnsweredBy
from docsort.serving.error_pages import ErrorPage
from docsort.serving.mar import NAME
from docsort.serving.settings import ServeSettings
from docsort.serving.templates import render

# Status, type and meaning of what the handler refuses by itself; all else is Nginx's, too. One bad
# entry refuses its list, and index names it.
_REFUSED_BY_HANDLER = (
    (400, "not_utf8", "the body is not UTF-8"),
    (400, "not_json", "the body is not JSON; the message names line, column and reason"),
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
    types = {type for _, type, _ in _REFUSED_BY_HANDLER} | {error.type for error in errors}
    document: dict[str, Any] = json.loads(
        render(
            "openapi.json.j2",
            settings=settings,
            version=docsort.__version__,
            name_pattern="^" + NAME.pattern.removesuffix(r"\Z") + "$",
            max_documents=MAX_DOCUMENTS,
            answered_by=get_args(AnsweredBy),
            error_types=sorted(types),
            refusals=_refusals(settings, errors),
        )
    )
    return document


def _refusals(
    settings: ServeSettings, errors: Sequence[ErrorPage]
) -> dict[int, list[tuple[str, str]]]:
    """By status, the types of a prediction's errors and what each means."""
    refusals: dict[int, list[tuple[str, str]]] = {}
    for status, type, meaning in _REFUSED_BY_HANDLER:
        refusals.setdefault(status, []).append((type, meaning))
    for error in errors:
        if error.type not in _NOT_OF_PREDICTIONS and (error.status != 401 or settings.api_keys):
            refusals.setdefault(error.status, []).append((error.type, error.message))
    return dict(sorted(refusals.items()))
