"""Nginx alone, with nobody behind it: what it refuses, logs and says without TorchServe."""

import http.client
import json
import os
import select
import signal
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import httpx
import pytest

from docsort.serving.front import asked
from docsort.serving.gatekeeper import gatekeeper
from docsort.serving.keys import add_key, remove_key
from docsort.serving.nginx import write_config
from docsort.serving.settings import MIN_CONNECTIONS
from tests.serving.conftest import PLAIN, free_port, make_certificate
from tests.serving.wall_scene import PATH, Open


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_every_answer_has_an_id_and_forbids_what_it_never_needs(open_wall: Open) -> None:
    wall = open_wall()
    for answer, status in (
        (httpx.get(wall.url + "/livez"), 200),
        (httpx.get(wall.url + "/readyz"), 503),
        (httpx.get(wall.url + "/other"), 404),
        (httpx.put(wall.url + PATH), 405),
        (wall.ask(), 503),
    ):
        assert answer.status_code == status
        for name, value in (
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
            ("Server", "nginx"),
        ):
            assert answer.headers.get_list(name) == [value], (answer.url, name)
        assert len(answer.headers["X-Request-Id"]) == 32


def test_a_log_line_a_request_with_no_secret_and_no_document(open_wall: Open) -> None:
    wall = open_wall()
    httpx.post(
        wall.url + PATH + "?api_key=s3cret",
        content="a private text",
        headers={**PLAIN, "X-Request-Id": "mine-0001", "Authorization": "Bearer s3cret"},
    )
    httpx.get(wall.url + '/"\\%22' + "x" * 300, headers={"X-Request-Id": 'not"mine;'})
    first, second = wall.log(2)
    assert first["request_id"] == "mine-0001"
    assert (first["method"], first["path"], first["status"]) == ("POST", PATH, 422)
    assert first["client"] == "127.0.0.1"
    assert first["request_bytes"] > 14
    assert first["request_s"] >= 0
    assert second["status"] == 404
    assert len(second["path"]) == 128
    assert len(second["request_id"]) == 32
    said = wall.run_dir.access_log.read_text()
    assert "s3cret" not in said
    assert "private" not in said


@pytest.mark.parametrize("query", ["version=1.0", "top_k=1", "=", "a", "0"])
def test_prediction_with_a_query_string_is_refused(open_wall: Open, query: str) -> None:
    wall = open_wall()
    for path in (PATH, PATH + "/1.0"):
        answer = httpx.post(f"{wall.url}{path}?{query}", content="a", headers=PLAIN)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, 422)
        assert answer.json()["error"]["type"] == "query_not_accepted"


def test_query_strings_of_probes_and_an_empty_one_are_harmless(open_wall: Open) -> None:
    wall = open_wall()
    for path, status in (("/livez?t=1", 200), ("/?utm=1", 200), ("/openapi.json?v=2", 200)):
        assert httpx.get(wall.url + path).status_code == status
    assert httpx.get(wall.url + "/readyz?t=1").json()["error"]["type"] == "not_ready"
    answer = httpx.post(wall.url + PATH + "?", content="a", headers=PLAIN)
    assert answer.json()["error"]["type"] == "unavailable"


def test_bytes_that_are_no_text_leave_the_log_readable(open_wall: Open) -> None:
    wall = open_wall()
    with socket.create_connection(("127.0.0.1", wall.settings.port), timeout=60) as connection:
        connection.sendall(b"GET /\xff\xfe\x00 HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == json.loads(answer.read())["error"]["code"] == 400
    with socket.create_connection(("127.0.0.1", wall.settings.port), timeout=60) as connection:
        connection.sendall(b"GET /a\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 404"
    assert [line["path"] for line in wall.log(2)] == ["", "/a"]


def test_over_the_rate_is_429_and_health_is_not_counted(open_wall: Open) -> None:
    wall = open_wall(rate_per_s=1, rate_burst=3)
    # four at once are let through; in between no more than the seconds that have passed
    started = time.monotonic()
    with ThreadPoolExecutor(12) as clients:  # a request each second would all be let through
        answers = list(clients.map(lambda _: wall.ask(), range(12)))
    passed = sum(answer.status_code != 429 for answer in answers)
    assert 4 <= passed <= 5 + time.monotonic() - started
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    for answer in refused:
        assert answer.json()["error"]["type"] == "too_many_requests"
        assert int(answer.headers["Retry-After"]) > 0
        assert "X-Request-Id" in answer.headers
    assert {httpx.get(wall.url + "/livez").status_code for _ in range(20)} == {200}
    assert "limiting requests" not in wall.run_dir.nginx_log.read_text()


def test_who_asks_whether_the_server_is_ready_fills_no_log(open_wall: Open) -> None:
    wall = open_wall()

    def ask_often() -> set[int]:
        with httpx.Client() as client:
            return {client.get(wall.url + "/readyz").status_code for _ in range(50)}

    assert ask_often() == {503}  # neither TorchServe nor the supervisor's word
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(wall.run_dir.inference))
    assert ask_often() == {503}  # a killed one's socket
    assert wall.run_dir.nginx_log.read_text() == ""


def test_connections_of_one_address_are_bounded(open_wall: Open) -> None:
    wall = open_wall(client_connections=2)
    request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    waiting = (request + "Content-Length: 9\r\n\r\nabc").encode()
    slow = [socket.create_connection(("127.0.0.1", wall.settings.port)) for _ in range(2)]
    for connection in slow:
        connection.sendall(waiting)
    deadline = time.monotonic() + 240
    while wall.ask().status_code != 429:  # until Nginx has read both
        assert time.monotonic() < deadline
    # another address is not concerned
    assert wall.ask_from("127.0.0.2").status_code == 503
    for connection in slow:
        connection.close()
    assert "limiting connections" not in wall.run_dir.nginx_log.read_text()


def test_a_client_that_sends_nothing_is_let_go(open_wall: Open) -> None:
    wall = open_wall(client_timeout_s=1)
    started = time.monotonic()
    request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    for sent in (b"", b"GET /livez HT", (request + "Content-Length: 9\r\n\r\nabc").encode()):
        with socket.create_connection(("127.0.0.1", wall.settings.port), timeout=60) as connection:
            connection.sendall(sent)
            try:
                said = connection.recv(4096)
            except ConnectionResetError:
                said = b""
            assert said == b"" or said.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("size", [2048, 8192])
def test_headers_up_to_the_limit_and_no_longer(open_wall: Open, size: int) -> None:
    wall = open_wall(max_header_bytes=size)
    name = "X: "
    for length, status in ((size - len(name) - 2, 200), (size, 431)):
        answer = httpx.get(wall.url + "/livez", headers={"X": "a" * length})
        assert answer.status_code == status
        if status == 431:
            assert answer.json()["error"]["type"] == "headers_too_large"


def test_tls_when_there_is_a_certificate(open_wall: Open, certificate: tuple[Path, Path]) -> None:
    wall = open_wall(tls_certificate=certificate[0], tls_key=certificate[1])
    assert wall.url.startswith("https://")
    trust = ssl.create_default_context(cafile=str(certificate[0]))
    assert httpx.get(wall.url + "/livez", verify=trust).json() == {"status": "alive"}
    with pytest.raises(httpx.ConnectError, match="self-signed"):
        httpx.get(wall.url + "/livez")
    plain = httpx.get(wall.url.replace("https", "http") + "/livez")
    assert (plain.status_code, plain.json()["error"]["type"]) == (400, "tls_required")
    assert wall.run_dir.tls_key.stat().st_mode & 0o777 == 0o640
    copied = wall.run_dir.tls_key.stat().st_ino
    write_config(wall.settings, wall.run_dir, "t0ken")  # a renewed pair takes a restart
    assert wall.run_dir.tls_key.stat().st_ino == copied
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(certificate[0])
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.ConnectError):
        httpx.get(wall.url + "/livez", verify=old)


def test_predictions_are_for_those_with_a_key(open_wall: Open, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    key = add_key(keys, "alice")
    reports: list[str] = []
    wall = open_wall(api_keys=keys)
    with gatekeeper(wall.run_dir.gatekeeper, keys, reports.append):
        for headers in (
            {},
            {"Authorization": "Bearer " + key[:-1]},
            {"Authorization": f"Basic {key}"},
            {"X-Api-Key": key.upper()},
        ):
            answer = wall.ask(**headers)
            assert (answer.status_code, answer.json()["error"]["type"]) == (401, "unauthorized")
            assert answer.headers.get_list("WWW-Authenticate") == ["Bearer"]
        # let in, where nobody is yet
        for headers in ({"Authorization": f"bearer {key}"}, {"X-Api-Key": key}):
            assert wall.ask(**headers).json()["error"]["type"] == "unavailable"
        assert [line["key"] for line in wall.log(6)] == ["", "", "", "", "alice", "alice"]
        assert httpx.get(wall.url + "/livez").status_code == 200
        # not from outside
        for own in ("/gatekeeper", "/reachable"):
            assert httpx.get(wall.url + own).json()["error"]["type"] == "not_found"

        remove_key(keys, "alice")
        assert wall.ask(**{"X-Api-Key": key}).status_code == 401
        bob = add_key(keys, "bob")
        assert wall.ask(**{"X-Api-Key": bob}).json()["error"]["type"] == "unavailable"
        assert reports == []
        good = keys.read_text()
        keys.write_text("spoilt")
        for _ in range(2):
            answer = wall.ask(**{"X-Api-Key": bob})
            assert (answer.status_code, answer.json()["error"]["type"]) == (503, "keys_unreadable")
        (report,) = reports  # one a change, not one a request
        assert "keys.txt, line 1" in report
        keys.write_text(good)
        assert wall.ask(**{"X-Api-Key": bob}).json()["error"]["type"] == "unavailable"
        assert reports[1:] == ["the API keys can be read again"]
        keys.write_text("spoilt again")
        assert wall.ask(**{"X-Api-Key": bob}).status_code == 503
        assert len(reports) == 3
    said = wall.run_dir.access_log.read_text() + (wall.run_dir.nginx_log).read_text()
    assert key not in said
    assert bob not in said


def test_nobody_is_let_in_where_nobody_can_be_asked(open_wall: Open, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    answer = open_wall(api_keys=keys).ask(**{"X-Api-Key": add_key(keys, "alice")})
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "busy")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_crowd_with_keys_is_let_in(
    open_wall: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.txt"
    key = add_key(keys, "alice")
    wall = open_wall(api_keys=keys, client_connections=256)
    all_wait = threading.Event()
    accept = UnixStreamServer.get_request

    def accept_late(server: UnixStreamServer) -> Any:
        assert all_wait.wait(60)
        return accept(server)

    monkeypatch.setattr(UnixStreamServer, "get_request", accept_late)
    request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nX-Api-Key: {key}\r\n"
    request += "Content-Length: 1\r\nConnection: close\r\n\r\na"
    with gatekeeper(wall.run_dir.gatekeeper, keys, print), ExitStack() as opened:
        address = ("127.0.0.1", wall.settings.port)
        crowd = [opened.enter_context(socket.create_connection(address, 60)) for _ in range(256)]
        for client in crowd:
            client.sendall(request.encode())
        try:
            while "Writing: 257 " not in (asked(wall.run_dir.front, "/status") or ""):
                answered, _, _ = select.select(crowd, [], [], 0.01)
                assert not answered
        finally:
            all_wait.set()
        # let in, where nobody is yet
        assert all(b'"unavailable"' in client.makefile("rb").read() for client in crowd)


def test_a_body_without_a_key_is_not_read(open_wall: Open, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    add_key(keys, "alice")
    wall = open_wall(api_keys=keys)
    with gatekeeper(wall.run_dir.gatekeeper, keys, print):
        request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        with socket.create_connection(("127.0.0.1", wall.settings.port), timeout=60) as connection:
            connection.sendall((request + "Content-Length: 1000000\r\n\r\n").encode())
            assert connection.recv(12) == b"HTTP/1.1 401"


def test_no_one_is_asked_where_there_are_no_keys(open_wall: Open) -> None:
    config = (open_wall().run_dir.nginx_config).read_text()
    assert "gatekeeper" not in config


def test_requests_are_logged_where_one_is_told(open_wall: Open, tmp_path: Path) -> None:
    wall = open_wall(access_log=tmp_path / "elsewhere.log")
    httpx.get(wall.url + "/livez")
    assert not wall.run_dir.access_log.exists()
    deadline = time.monotonic() + 240
    while not (tmp_path / "elsewhere.log").read_text().endswith("\n"):
        assert time.monotonic() < deadline
    assert json.loads((tmp_path / "elsewhere.log").read_text())["path"] == "/livez"


def test_the_log_is_opened_anew_on_usr1(open_wall: Open) -> None:
    wall = open_wall()
    httpx.get(wall.url + "/livez")
    wall.log(1)
    wall.run_dir.access_log.rename(wall.run_dir.nginx / "access.log.1")
    os.kill(int((wall.run_dir.nginx / "nginx.pid").read_text()), signal.SIGUSR1)
    deadline = time.monotonic() + 240
    while not wall.run_dir.access_log.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    httpx.get(wall.url + "/readyz")
    assert [line["path"] for line in wall.log(1)] == ["/readyz"]


def test_the_fewest_connections_that_are_accepted_serve(open_wall: Open, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.txt", "alice")
    wall = open_wall(
        max_connections=MIN_CONNECTIONS, metrics_port=free_port(), api_keys=tmp_path / "keys.txt"
    )
    with gatekeeper(wall.run_dir.gatekeeper, wall.settings.api_keys, lambda line: None):
        for _ in range(20):
            # past the gatekeeper; no TorchServe is there
            answer = wall.ask(**{"X-Api-Key": key})
            assert answer.json()["error"]["type"] == "unavailable"
    assert "worker_connections" not in wall.run_dir.nginx_log.read_text()


def test_a_crowd_of_silent_connections_leaves_room(open_wall: Open) -> None:
    wall = open_wall()
    silent = [socket.create_connection(("127.0.0.1", wall.settings.port)) for _ in range(300)]
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.get(wall.url + "/livez"), range(40)))
        assert {answer.status_code for answer in answers} == {200}
    finally:
        for connection in silent:
            connection.close()
