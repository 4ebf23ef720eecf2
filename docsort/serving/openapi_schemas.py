"""The contract's bodies as JSON Schema: what core/rest.py reads and renders, for openapi.py."""

from collections.abc import Sequence
from typing import Any, get_args

from docsort.core.rest import MAX_DOCUMENTS
from docsort.core.windows import AnsweredBy

TEXT = {
    "type": "string",
    "pattern": r"\S",
    "description": "A document: any length that the body's limit allows, at least one word.",
}
_PARAMETERS = {
    "type": ["object", "null"],
    "properties": {
        "top_k": {
            "type": ["integer", "null"],
            "minimum": 1,
            "description": "How many labels `scores` holds; all of them unless given.",
        }
    },
    "additionalProperties": False,
}
_SCORE = {"type": "number", "minimum": 0, "maximum": 1}


def schemas(error_types: Sequence[str]) -> dict[str, Any]:
    """By the names that the document's operations refer to."""
    inputs = {
        "oneOf": [
            TEXT,
            {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MAX_DOCUMENTS},
        ]
    }
    prediction = {"$ref": "#/components/schemas/Prediction"}
    count = {"type": "integer", "minimum": 0}
    return {
        "Request": {
            "oneOf": [
                _object({"text": TEXT, "parameters": _PARAMETERS}, ["text"]),
                _object({"inputs": inputs, "parameters": _PARAMETERS}, ["inputs"]),
            ]
        },
        "Answer": {
            "description": "One object for a single text; a list, in order, for a list.",
            "oneOf": [prediction, {"type": "array", "items": prediction, "minItems": 1}],
        },
        "Prediction": {
            "type": "object",
            "properties": {
                "label": {"type": "string", "description": "single-label models"},
                "score": _SCORE,
                "labels": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "multi-label models: those over their thresholds",
                },
                "scores": {
                    "type": "array",
                    "items": _object({"label": {"type": "string"}, "score": _SCORE}),
                    "description": "highest first",
                },
                "receipt": _object(
                    {
                        "tokens": count,
                        "tokens_read": count,
                        "windows": {**count, "description": "0 where the encoder was spared"},
                        "answered_by": {"enum": list(get_args(AnsweredBy))},
                    }
                ),
                "model": _object({"name": {"type": "string"}, "version": {"type": "string"}}),
            },
            "required": ["scores", "receipt", "model"],
            "oneOf": [{"required": ["label", "score"]}, {"required": ["labels"]}],
            "unevaluatedProperties": False,
        },
        "Error": _object(
            {
                "error": {
                    "type": "object",
                    "properties": {
                        "code": {"type": "integer"},
                        "type": {
                            "enum": list(error_types),
                            "description": "a stable word for programs",
                        },
                        "message": {"type": "string", "description": "what is accepted"},
                        "index": {**count, "description": "the refused entry of a list"},
                    },
                    "required": ["code", "type", "message"],
                    "additionalProperties": False,
                }
            }
        ),
        "Alive": _object({"status": {"const": "alive"}}),
        "Ready": {
            "type": "object",
            "properties": {
                "status": {"const": "ready"},
                "models": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "default": {"type": "string"},
                            "versions": {"type": "array", "items": {"type": "string"}},
                        },
                        "required": ["default", "versions"],
                    },
                },
            },
            "required": ["status", "models"],
        },
    }


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    """An object with no other properties; all of these are there unless told otherwise."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }
