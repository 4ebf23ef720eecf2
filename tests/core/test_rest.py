"""The REST contract: what is accepted, what is refused and how, what an answer looks like."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docsort.core.bundle import Calibration, read_bundle
from docsort.core.errors import RequestError
from docsort.core.rest import (
    MAX_DOCUMENTS,
    ClassifyRequest,
    parse_request,
    render_answer,
    render_error,
)
from docsort.core.scorer import Prediction
from docsort.core.windows import Receipt

JSON = "application/json"
BOM = b"\xef\xbb\xbf"
PREDICTIONS = [
    Prediction(np.array([0.1, 0.7, 0.2], dtype=np.float32), Receipt(5, 5, 1)),
    Prediction(np.array([0.6, 0.3, 0.1], dtype=np.float32), Receipt(90, 64, 6)),
]


@pytest.mark.parametrize(
    ("body", "content_type", "request_"),
    [
        (b"a text", "text/plain", ClassifyRequest(("a text",), True)),
        ("é".encode(), "Text/Plain; charset=UTF-8", ClassifyRequest(("é",), True)),
        (b'{"text": "a"}', JSON, ClassifyRequest(("a",), True)),
        (b'{"inputs": "a"}', JSON, ClassifyRequest(("a",), True)),
        (b'{"inputs": ["a", "b"]}', JSON, ClassifyRequest(("a", "b"), False)),
        (b'{"inputs": ["a"], "parameters": {"top_k": 2}}', JSON, ClassifyRequest(("a",), False, 2)),
        (b'{"text": "a", "parameters": null}', JSON, ClassifyRequest(("a",), True)),
        (b'{"text": "\\u0000 a"}', JSON, ClassifyRequest(("\0 a",), True)),
        (BOM + b'{"text": "a"}', JSON, ClassifyRequest(("a",), True)),
        (BOM + b"a", "text/plain", ClassifyRequest(("a",), True)),
    ],
)
def test_accepted(body: bytes, content_type: str, request_: ClassifyRequest) -> None:
    assert parse_request(body, content_type) == request_


@pytest.mark.parametrize(
    ("body", "content_type", "status", "type_", "index"),
    [
        (b"a", None, 415, "unsupported_media_type", None),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type", None),
        (b"a", "text/plain; charset=latin-1", 415, "unsupported_media_type", None),
        (b"\xff\xfe", "text/plain", 400, "not_utf8", None),
        (b'{"text": "\xff"}', JSON, 400, "not_utf8", None),
        (b"", JSON, 400, "not_json", None),
        (b"{", JSON, 400, "not_json", None),
        (b"[" * 100_000, JSON, 400, "not_json", None),
        (b'{"text": NaN}', JSON, 400, "not_json", None),
        (b'{"text": "a", "text": "b"}', JSON, 400, "not_json", None),
        (BOM, "text/plain", 422, "empty_document", None),
        (b"[]", JSON, 422, "bad_fields", None),
        (b"{}", JSON, 422, "bad_fields", None),
        (b'{"text": "a", "inputs": "b"}', JSON, 422, "bad_fields", None),
        (b'{"text": "a", "user": "b"}', JSON, 422, "bad_fields", None),
        (b'{"text": 3}', JSON, 422, "not_text", None),
        (b'{"text": ' + b"9" * 9000 + b"}", JSON, 422, "not_text", None),
        (b'{"inputs": {"a": 1}}', JSON, 422, "bad_inputs", None),
        (b'{"inputs": []}', JSON, 422, "bad_inputs", None),
        (b'{"inputs": ["a", 3]}', JSON, 422, "not_text", 1),
        (b'{"inputs": ["a", "b", " "]}', JSON, 422, "empty_document", 2),
        (b'{"text": "\\ud800"}', JSON, 422, "bad_text", None),
        (b'{"inputs": ["a", "\\udfff"]}', JSON, 422, "bad_text", 1),
        (b"", "text/plain", 422, "empty_document", None),
        (b" \n\t", "text/plain", 422, "empty_document", None),
        (b'{"text": "a", "parameters": {"top_k": 0}}', JSON, 422, "bad_parameters", None),
        (b'{"text": "a", "parameters": {"top_k": true}}', JSON, 422, "bad_parameters", None),
        (b'{"text": "a", "parameters": {"top": 1}}', JSON, 422, "bad_parameters", None),
    ],
)
def test_refused(
    body: bytes, content_type: str | None, status: int, type_: str, index: int | None
) -> None:
    with pytest.raises(RequestError) as caught:
        parse_request(body, content_type)
    error = caught.value
    assert (error.status, error.type, error.index) == (status, type_, index)


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "a"}',
        b'\n {"inputs": ["a", "b"]}\n',
        b'{"inputs": "a", "parameters": {"top_k": 1}}',
        b'{"text": "a", "text": "b", "inputs": 3}',
        BOM + b'{"text": "a"}',
    ],
)
def test_request_in_json_sent_as_text_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError, match="Content-Type application/json") as caught:
        parse_request(body, "text/plain; charset=utf-8")
    assert (caught.value.status, caught.value.type) == (422, "json_as_text")


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        '{"parameters": {"top_k": 1}}',
        '{"text": "a", "author": "b"}',
        '["a", "b"]',
        '"text"',
        '{"text": "a"',
        '{"text": "a"} is how a request looks',
        "{" * 100_000,
    ],
)
def test_other_json_sent_as_text_is_a_document(document: str) -> None:
    assert parse_request(document.encode(), "text/plain") == ClassifyRequest((document,), True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "it is empty"),
        ('{"text": "a\nb"}', "line 1, column 12: a raw line break or control character"),
        ('{"text": "a\tb"}', "line 1, column 12: a raw line break or control character"),
        ("{'text': 'a'}", "line 1, column 2: single quotes"),
        ("{\"text\":\n 'a'}", "line 2, column 2: single quotes"),
        ('{“text”: "a"}', "line 1, column 2: typographic quotes"),
        ('{"text": "a",}', "line 1, column 14: a trailing comma"),
        ('{"inputs": ["a", "b", ]}', "line 1, column 23: a trailing comma"),
        ('{"text": "a"} {"text": "b"}', "line 1, column 15: more text after the end"),
        ('{"text" "a"}', "line 1, column 9: Expecting ':' delimiter"),
        ('{"text": "a', "line 1, column 10: Unterminated string"),
        ('{"text": "a", "text": "b"}', "same key twice"),
        ('{"text": -Infinity}', "NaN and Infinity"),
    ],
)
def test_body_that_is_not_json_is_told_where_and_why(body: str, reason: str) -> None:
    with pytest.raises(RequestError, match=f"the body is not JSON: .*{re.escape(reason)}"):
        parse_request(body.encode(), JSON)


def test_too_many_documents_are_refused() -> None:
    body = json.dumps({"inputs": ["a"] * (MAX_DOCUMENTS + 1)}).encode()
    with pytest.raises(RequestError, match=str(MAX_DOCUMENTS)):
        parse_request(body, JSON)


def test_a_refusal_never_quotes_the_document() -> None:
    secret = "geheim"
    for body in (f'{{"inputs": ["{secret}", 3]}}', f'{{"{secret}": 1}}', f'{{"text": "{secret}'):
        with pytest.raises(RequestError) as caught:
            parse_request(body.encode(), JSON)
        assert secret not in json.dumps(render_error(caught.value))


def test_answer_to_a_single_text(tiny_bundle: Path) -> None:
    request = ClassifyRequest(("a",), True)
    answer = render_answer(request, PREDICTIONS[:1], read_bundle(tiny_bundle), "tiny", "1.0")
    assert answer == {
        "label": "medicine",
        "score": pytest.approx(0.7),
        "scores": [
            {"label": "medicine", "score": pytest.approx(0.7)},
            {"label": "sport", "score": pytest.approx(0.2)},
            {"label": "finance", "score": pytest.approx(0.1)},
        ],
        "receipt": {"tokens": 5, "tokens_read": 5, "windows": 1, "answered_by": "encoder"},
        "model": {"name": "tiny", "version": "1.0"},
    }


def test_answer_to_a_list_keeps_order_and_top_k(tiny_bundle: Path) -> None:
    request = ClassifyRequest(("a", "b"), False, top_k=1)
    answers = render_answer(request, PREDICTIONS, read_bundle(tiny_bundle), "tiny", "1.0")
    assert isinstance(answers, list)
    assert [answer["label"] for answer in answers] == ["medicine", "finance"]
    assert [len(answer["scores"]) for answer in answers] == [1, 1]


@pytest.mark.parametrize("top_k", [None, 1, 2])
def test_multi_label_scores_hold_every_predicted_label_and_its_threshold(
    tiny_bundle: Path, top_k: int | None
) -> None:
    bundle = read_bundle(tiny_bundle)
    manifest = replace(
        bundle.manifest, task="multi_label", calibration=Calibration(1.0, (0.05, 0.8, 0.1))
    )
    multi = replace(bundle, manifest=manifest)
    request = ClassifyRequest(("a",), True, top_k)
    answer = render_answer(request, PREDICTIONS[:1], multi, "m", "1")
    assert isinstance(answer, dict)
    assert answer["labels"] == ["sport", "finance"]
    # the highest score is under its threshold, and both predicted labels are shown beside it
    assert [(entry["label"], entry["threshold"]) for entry in answer["scores"]] == [
        ("medicine", 0.8),
        ("sport", 0.1),
        ("finance", 0.05),
    ]
    assert "label" not in answer
    assert "score" not in answer


def test_multi_label_top_k_leaves_out_labels_that_are_not_predicted(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    multi = replace(bundle, manifest=replace(bundle.manifest, task="multi_label"))
    request = ClassifyRequest(("a",), True, top_k=1)
    answer = render_answer(request, PREDICTIONS[:1], multi, "m", "1")
    assert isinstance(answer, dict)
    assert [(entry["label"], entry["threshold"]) for entry in answer["scores"]] == [
        ("medicine", 0.5)
    ]


def test_a_text_without_any_token_is_empty(tiny_bundle: Path) -> None:
    nothing = Prediction(PREDICTIONS[0].probabilities, Receipt(0, 0, 1))
    request = ClassifyRequest(("a", "\x01"), False)
    with pytest.raises(RequestError) as caught:
        render_answer(request, [PREDICTIONS[0], nothing], read_bundle(tiny_bundle), "m", "1")
    assert (caught.value.status, caught.value.index) == (422, 1)


def test_top_k_over_the_labels_is_refused(tiny_bundle: Path) -> None:
    request = ClassifyRequest(("a",), True, top_k=4)
    with pytest.raises(RequestError, match="3 labels"):
        render_answer(request, PREDICTIONS[:1], read_bundle(tiny_bundle), "m", "1")


def test_error_json() -> None:
    error = RequestError(422, "empty_document", "a document is empty", 3)
    assert render_error(error) == {
        "error": {
            "code": 422,
            "type": "empty_document",
            "message": "a document is empty",
            "index": 3,
        }
    }
    assert "index" not in render_error(RequestError(400, "not_json", "no JSON"))["error"]
