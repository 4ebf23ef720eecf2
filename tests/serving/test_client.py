"""The client: parts that the endpoint accepts, answers in order, errors that say what to do."""

from pathlib import Path

import pytest

from docsort.core.errors import ConfigError, RequestError, ServingError
from docsort.serving import client
from docsort.serving.client import classify_at
from tests.serving.conftest import RunningServer, free_port


def test_answers_in_order_however_many_texts(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_MAX_PART_BYTES", 100)
    texts = ["bank " * (n % 7 + 1) for n in range(40)]
    answers = classify_at(server.url, "tiny", texts, version="1.0", top_k=2)
    assert [a["receipt"]["tokens"] for a in answers] == [n % 7 + 1 for n in range(40)]
    assert {len(a["scores"]) for a in answers} == {2}
    assert {a["model"]["version"] for a in answers} == {"1.0"}


def test_parts_hold_as_many_documents_as_the_contract_allows() -> None:
    assert [len(part) for part in client._parts(["a"] * 600)] == [256, 256, 88]
    big = "a" * client._MAX_PART_BYTES
    assert [len(part) for part in client._parts(["a", big, "a", "a"])] == [1, 1, 2]


def test_a_refused_document_is_named_by_its_place(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_MAX_PART_BYTES", 30)
    with pytest.raises(RequestError, match="a document is empty") as caught:
        classify_at(server.url, "tiny", ["a bank", "a market", "the profit", ""])
    assert (caught.value.status, caught.value.index) == (422, 3)


def test_a_model_that_is_not_served(server: RunningServer) -> None:
    with pytest.raises(RequestError, match="no model of that name"):
        classify_at(server.url + "/", "other", ["a"])


def test_nobody_there() -> None:
    with pytest.raises(ServingError, match=r"does not answer.*docsort serve"):
        classify_at(f"http://127.0.0.1:{free_port()}", "tiny", ["a"])


@pytest.mark.parametrize("url", ["127.0.0.1:1337", "ftp://127.0.0.1", "http://a:b", ""])
def test_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="--url"):
        classify_at(url, "tiny", ["a"])


def test_something_else_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import http.server
    import threading

    handler = http.server.BaseHTTPRequestHandler
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        with pytest.raises(ServingError, match="answers 501, and not as docsort would"):
            classify_at(f"http://127.0.0.1:{other.server_port}", "tiny", ["a"])
        thread.join()


@pytest.mark.parametrize("key", ["docsort_secret\n", "docsort secret", "docsort_sécret"])
def test_a_key_that_is_none_is_refused_and_never_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="API key") as refused:
        classify_at(f"http://127.0.0.1:{free_port()}", "tiny", ["a"], api_key=key)
    assert "cret" not in str(refused.value)
