"""The whole road over the real TorchServe and Nginx: answers and refusals."""

import asyncio
import http.client
import json
import re
import shlex
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from docsort.core.scorer import Scorer
from tests.conftest import WORDS
from tests.handlers.test_docsort_handler import CONTENT_TYPES
from tests.serving.conftest import (
    LONG_GOLDEN_TEXT,
    MAX_BODY_BYTES,
    PLAIN,
    RunningServer,
    start_server,
)

JSON = {"Content-Type": "application/json"}
LABELS = ("finance", "medicine", "sport")


def documents(num: int, seed: int = 0) -> list[str]:
    """Texts of one to 150 words, so of one window to several."""
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(1, 150))) for _ in range(num)]


def probabilities(answer: dict[str, Any]) -> list[float]:
    scores = {entry["label"]: entry["score"] for entry in answer["scores"]}
    return [scores[label] for label in LABELS]


def expected(bundle: Path, texts: Sequence[str]) -> np.ndarray:
    return np.array([p.probabilities for p in Scorer.load(bundle).score(texts)])


async def ask_all(url: str, requests: Sequence[dict[str, Any]], crowd: int) -> list[httpx.Response]:
    """Answers to all requests, ``crowd`` of them under way at any time."""
    limits = httpx.Limits(max_connections=crowd, max_keepalive_connections=crowd)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120) as client:
        gate = asyncio.Semaphore(crowd)

        async def ask(request: dict[str, Any]) -> httpx.Response:
            async with gate:
                return await client.post(**request)

        return list(await asyncio.gather(*map(ask, requests)))


def test_answers_equal_the_scorers_alone_and_in_a_crowd(
    server: RunningServer, tiny_bundle: Path, other_bundle: Path
) -> None:
    texts = documents(96)
    for version, bundle in (("1.0", tiny_bundle), ("2.0", other_bundle)):
        path, wanted = f"/predictions/tiny/{version}", expected(bundle, texts)
        requests = [{"url": path, "content": text, "headers": PLAIN} for text in texts]
        for crowd, share in ((1, slice(0, 12)), (32, slice(None))):
            answers = asyncio.run(ask_all(server.url, requests[share], crowd))
            assert {answer.status_code for answer in answers} == {200}
            given = [probabilities(answer.json()) for answer in answers]
            np.testing.assert_allclose(given, wanted[share], atol=1e-5)
            assert {a.json()["model"]["version"] for a in answers} == {version}


def test_the_default_version_answers_when_none_is_named(
    server: RunningServer, other_bundle: Path
) -> None:
    answer = httpx.post(f"{server.url}/predictions/tiny", content="bank", headers=PLAIN).json()
    assert answer["model"] == {"name": "tiny", "version": "2.0"}
    np.testing.assert_allclose(
        probabilities(answer), expected(other_bundle, ["bank"])[0], atol=1e-5
    )
    ready = httpx.get(f"{server.url}/readyz").json()
    assert ready == {
        "status": "ready",
        "models": {"tiny": {"default": "2.0", "versions": ["1.0", "2.0"]}},
    }


def test_a_link_to_an_archive_in_another_folder(store: Path, tmp_path: Path) -> None:
    link = tmp_path / "current.mar"
    link.symlink_to(store / "tiny-1.0.mar")
    server = start_server(tmp_path, str(link))
    try:
        server.wait_until_ready()
        answer = httpx.post(f"{server.url}/predictions/tiny", content="a", headers=PLAIN)
        assert answer.json()["model"]["version"] == "1.0"
    finally:
        assert server.stop() == 0


def test_bodies(server: RunningServer) -> None:
    def ask(content: Any) -> Any:
        url = f"{server.url}/predictions/tiny"
        return httpx.post(url, content=json.dumps(content), headers=JSON).json()

    text = httpx.post(f"{server.url}/predictions/tiny", content="a bank", headers=PLAIN).json()
    assert ask({"text": "a bank"}) == text
    assert ask({"inputs": "a bank"}) == text
    listed = ask({"inputs": ["a bank", "virus"], "parameters": {"top_k": 1}})
    assert len(listed) == 2
    assert [entry["label"] for entry in listed[0]["scores"]] == [text["label"]]
    assert set(text) == {"label", "score", "scores", "receipt", "model"}
    assert text["receipt"] == {
        "tokens": 2,
        "tokens_read": 2,
        "windows": 1,
        "answered_by": "encoder",
    }


# What, the request's content and headers, the status, and the error's type.
REFUSALS: list[tuple[bytes, dict[str, str], int, str]] = [
    (b"", PLAIN, 422, "empty_document"),
    (b"", JSON, 400, "not_json"),
    (b" \n\t", PLAIN, 422, "empty_document"),
    (b"\xff\xfe\x00", PLAIN, 400, "not_utf8"),
    (b'{"text": "a\xff"}', JSON, 400, "not_utf8"),
    (b"{", JSON, 400, "not_json"),
    (b"[" * 60_000, JSON, 400, "not_json"),
    (b"null", JSON, 422, "bad_fields"),
    (b'{"text": null}', JSON, 422, "not_text"),
    (b'{"text": "a", "inputs": "b"}', JSON, 422, "bad_fields"),
    (b'{"text": "\\ud800"}', JSON, 422, "bad_text"),
    (b'{"inputs": []}', JSON, 422, "bad_inputs"),
    (b'{"inputs": ["a", "", "b"]}', JSON, 422, "empty_document"),
    (b'{"inputs": ["a", 3]}', JSON, 422, "not_text"),
    (b'{"inputs": "a", "parameters": {"top_k": 4}}', JSON, 422, "bad_parameters"),
    (b"a", {}, 415, "unsupported_media_type"),
    (b"a", {"Content-Type": "text/html"}, 415, "unsupported_media_type"),
    (b"a", {"Content-Type": "text/plain; charset=latin-1"}, 415, "unsupported_media_type"),
    (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    (b"--x--", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
    (b"a", {**PLAIN, "Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
    (b"a" * (MAX_BODY_BYTES + 1), PLAIN, 413, "too_large"),
]


def test_bad_requests_amid_good_ones(server: RunningServer, other_bundle: Path) -> None:
    # TorchServe closes the connection after each of its errors: under load, too, every refusal
    # must arrive whole, and no neighbour's answer may suffer
    path, texts = "/predictions/tiny", documents(200, seed=1)
    wanted = expected(other_bundle, texts)
    requests = []
    for index, text in enumerate(texts):
        content, headers, _, _ = REFUSALS[index % len(REFUSALS)]
        requests.append({"url": path, "content": content, "headers": headers})
        requests.append({"url": path, "content": text, "headers": PLAIN})
    answers = asyncio.run(ask_all(server.url, requests, crowd=32))
    for index, answer in enumerate(answers[::2]):
        _, _, status, kind = REFUSALS[index % len(REFUSALS)]
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["type"]) == (status, status, kind)
        assert answer.headers["Content-Type"] == "application/json"
    assert {answer.status_code for answer in answers[1::2]} == {200}
    np.testing.assert_allclose(
        [probabilities(answer.json()) for answer in answers[1::2]], wanted, atol=1e-5
    )


def test_content_types_are_the_handlers_to_accept(server: RunningServer) -> None:
    url = f"{server.url}/predictions/tiny"
    with httpx.Client(timeout=60) as client:
        for content_type, accepted in CONTENT_TYPES.items():
            answer = client.post(url, content="a", headers={"Content-Type": content_type})
            assert answer.status_code == (200 if accepted else 415), content_type
        for raw in (b"text/plain; x=\xff", b"text/plain; x=\xc3\xa9", b"text/plain; x=\x01"):
            # never reaches TorchServe, whose worker would end by it
            status = client.post(url, content="a", headers=[(b"Content-Type", raw)]).status_code
            assert status in (400, 415)
        parameter = {"Content-Type": "application/json; charset=utf-8; version=1"}
        assert client.post(url, content='{"text": "a"}', headers=parameter).status_code == 200


def test_a_list_with_one_bad_entry_names_it(server: RunningServer) -> None:
    body = b'{"inputs": ["a", "b", ""]}'
    answer = httpx.post(f"{server.url}/predictions/tiny", content=body, headers=JSON)
    assert answer.json()["error"]["index"] == 2


def test_a_golden_document_may_be_longer_than_what_clients_may_send(server: RunningServer) -> None:
    # 2.0, whose golden documents hold this one, was proved, or the server were not ready
    url = f"{server.url}/predictions/tiny/2.0"
    assert httpx.post(url, content=LONG_GOLDEN_TEXT, headers=PLAIN).status_code == 413
    assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_a_document_at_the_size_limit(server: RunningServer) -> None:
    text = ("bank " * MAX_BODY_BYTES)[:MAX_BODY_BYTES]
    answer = httpx.post(f"{server.url}/predictions/tiny", content=text, headers=PLAIN)
    receipt = answer.json()["receipt"]
    assert receipt["tokens"] > receipt["tokens_read"] > 0  # max_windows


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("POST", "/", 405, "method_not_allowed"),
        ("GET", "/page.html", 404, "not_found"),
        ("GET", "/openapi.json/", 404, "not_found"),
        ("DELETE", "/openapi.json", 405, "method_not_allowed"),
        ("GET", "/ping", 404, "not_found"),
        ("GET", "/models", 404, "not_found"),
        ("POST", "/models?url=x.mar", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
        ("GET", "/errors/busy.json", 404, "not_found"),
        ("GET", "/open", 404, "not_found"),
        ("POST", "/predictions/", 404, "not_found"),
        ("POST", "/predictions/tiny/2.0/x", 404, "not_found"),
        ("POST", "/predictions/tiny/", 404, "not_found"),
        ("POST", "/predictions/tiny%0a", 404, "not_found"),
        ("POST", "/predictions/tiny%20HTTP/1.1%0d%0aX:y", 404, "not_found"),
        ("POST", "/predictions/..%2fmodels", 404, "not_found"),
        ("POST", "/predictions/%2e%2e/models", 404, "not_found"),
        ("POST", "//predictions/tiny", 404, "not_found"),
        ("POST", "/predictions/other", 404, "model_not_found"),
        ("POST", "/predictions/tiny/3.0", 404, "model_not_found"),
        ("GET", "/predictions/tiny", 405, "method_not_allowed"),
        ("OPTIONS", "/predictions/tiny", 405, "method_not_allowed"),
        ("PUT", "/predictions/tiny", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("DELETE", "/readyz", 405, "method_not_allowed"),
        ("TRACE", "/livez", 405, "method_not_allowed"),
    ],
)
def test_paths_and_methods_outside_the_contract(
    server: RunningServer, method: str, path: str, status: int, kind: str
) -> None:
    # http.client sends the path as it is
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    body = b"a" if method in ("POST", "PUT") else None
    connection.request(method, path, body=body, headers=PLAIN)
    answer = connection.getresponse()
    error = json.loads(answer.read())["error"]
    assert (answer.status, error["code"], error["type"]) == (status, status, kind)
    assert answer.headers["Content-Type"] == "application/json"
    if status == 405:
        get = "GET, HEAD, POST" if method == "TRACE" else "GET, HEAD"  # refused before its path is
        assert answer.headers["Allow"] == ("POST" if "predictions" in path else get)
    connection.close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"POST /predictions/tiny HTTP/1.1\r\n\r\n", 400),
        (b"POST /predictions/tiny HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n", 411),
        (
            b"POST /predictions/tiny HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            411,
        ),
        (
            b"POST /predictions/tiny HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            b"POST /predictions/tiny HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 1\r\nContent-Length: 2\r\n\r\naa",
            400,
        ),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    ],
)
def test_what_is_hardly_http(server: RunningServer, request_bytes: bytes, status: int) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(request_bytes)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        error = json.loads(answer.read())["error"]
    assert (answer.status, error["code"]) == (status, status)


def test_headers_of_the_client_do_not_reach_torchserve(server: RunningServer) -> None:
    # "explain" and "describe" would ask TorchServe for something else than a prediction;
    # a header that is not UTF-8 would end the worker
    headers = [
        *PLAIN.items(),
        ("describe", "True"),
        ("explain", "True"),
        ("Authorization", "Bearer wrong"),
        (b"X-Bytes", b"\xff\xfe"),
    ]
    url = f"{server.url}/predictions/tiny"
    answer = httpx.post(url, content="a bank", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert answer.json()["receipt"]["tokens"] == 2
    # Nginx's own, and only once; TorchServe's are kept in
    assert [len(name) for name in answer.headers.get_list("X-Request-Id")] == [32]
    assert answer.headers.get_list("Cache-Control") == ["no-store"]


def test_the_printed_curl_line_works(server: RunningServer) -> None:
    (line,) = re.findall(r"^try +(curl .*)$", server.output.read_text(), re.MULTILINE)
    said = subprocess.run(
        [*shlex.split(line), "-s", "-f"], capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout)["label"] in LABELS
