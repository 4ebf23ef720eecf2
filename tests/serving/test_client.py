"""The client: parts that the endpoint accepts, answers in order, errors that say what to do."""

import http.server
import ssl
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from docsort.core.errors import ConfigError, RequestError, ServingError
from docsort.serving import client
from docsort.serving.client import classify_at
from tests.serving.conftest import RunningServer, free_port, make_certificate


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


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:1337",
        "ftp://127.0.0.1",
        "http://a:b",
        "",
        "http://127.0.0.1?key=s3cret",
        "http://user:s3cret@127.0.0.1:x",
        "http://user:s3/cret@127.0.0.1",
        "user:s3cret@127.0.0.1",
        "http://user:s3cret@a..b",
        f"http://{'a' * 64}.example",
    ],
)
def test_what_is_no_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="--url") as refused:
        classify_at(url, "tiny", ["a"])
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize("name", ["a b", "a?b", "a/b", "a\n", "a\udc80", ""])
def test_name_that_no_model_has_is_refused_before_a_request(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^--model .* is not accepted"):
        classify_at("http://127.0.0.1:1", name, ["a"])
    if name:  # without one, the default version is asked
        with pytest.raises(ConfigError, match=r"^--version .* is not accepted"):
            classify_at("http://127.0.0.1:1", "tiny", ["a"], name)


def test_api_key_is_sent_beside_a_password_of_the_url() -> None:
    asked: list[str] = []
    with answering(asked=asked) as port, pytest.raises(ServingError):
        classify_at(f"http://user:s3cret@127.0.0.1:{port}", "tiny", ["a"], api_key="k3y")
    with answering(asked=asked) as port, pytest.raises(ServingError):
        classify_at(f"http://127.0.0.1:{port}", "tiny", ["a"], api_key="k3y")
    assert "Authorization: Basic" in asked[0]
    assert "X-Api-Key: k3y" in asked[0]
    assert "Authorization: Bearer k3y" in asked[1]


def test_password_of_the_url_is_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    login = "user:s3cret"
    unused = f"http://{login}@127.0.0.1:{free_port()}"
    with pytest.raises(ServingError) as unreachable:
        classify_at(unused, "tiny", ["a"])
    with answering() as port, pytest.raises(ServingError, match="not as docsort") as refused:
        classify_at(f"http://{login}@127.0.0.1:{port}", "tiny", ["a"])
    shown = caplog.text
    for error in (unreachable.value, refused.value):
        shown += "".join(traceback.format_exception(error))
    assert f"http://127.0.0.1:{port}/predictions/tiny" in shown
    assert "s3cret" not in shown


def test_dead_proxy_is_told_as_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("http_proxy", f"http://user:s3cret@{proxy}")
    with pytest.raises(
        ServingError, match=rf"the proxy http_proxy=http://{proxy} does not"
    ) as told:
        classify_at("http://docsort.invalid", "tiny", ["a"])
    assert "s3cret" not in str(told.value)
    # and not asked for this machine
    with pytest.raises(ServingError, match="is `docsort serve` running there"):
        classify_at(f"http://127.0.0.1:{free_port()}", "tiny", ["a"])


def test_certificate_that_is_not_trusted_and_no_tls_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with answering(context) as port:
        url = f"https://127.0.0.1:{port}"
        with pytest.raises(ServingError, match=r"not trusted \(self-signed.*SSL_CERT_FILE"):
            classify_at(url, "tiny", ["a"])
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with answering(context) as port, pytest.raises(ServingError, match="answers 501"):
        classify_at(f"https://127.0.0.1:{port}", "tiny", ["a"])
    with answering() as port, pytest.raises(ServingError, match="does not speak TLS"):
        classify_at(f"https://127.0.0.1:{port}", "tiny", ["a"])


def test_something_else_answers() -> None:
    with answering() as port, pytest.raises(ServingError, match="answers 501, and not as docsort"):
        classify_at(f"http://127.0.0.1:{port}", "tiny", ["a"])


@contextmanager
def answering(tls: ssl.SSLContext | None = None, asked: list[str] | None = None) -> Iterator[int]:
    """The port of a server that takes one connection and knows no POST.

    ``asked`` is given the request's headers.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def send_error(self, *given: Any, **more: Any) -> None:
            if asked is not None:
                asked.append(str(self.headers))
            super().send_error(*given, **more)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as other:
        if tls:
            other.socket = tls.wrap_socket(other.socket, server_side=True)
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        yield other.server_port
        thread.join()


@pytest.mark.parametrize("key", ["docsort_secret\n", "docsort secret", "docsort_sécret"])
def test_a_key_that_is_none_is_refused_and_never_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="API key") as refused:
        classify_at(f"http://127.0.0.1:{free_port()}", "tiny", ["a"], api_key=key)
    assert "cret" not in str(refused.value)
