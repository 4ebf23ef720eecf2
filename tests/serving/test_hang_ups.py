"""Clients that hang up or half-close, and clients behind a proxy: whose requests count for whom."""

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from docsort.serving.gatekeeper import gatekeeper
from docsort.serving.keys import add_key
from tests.serving.wall_scene import PATH, HeldTorchServe, Open, Wall

POST = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\n"
REQUEST = f"{POST}Content-Length: 1\r\n\r\na".encode()


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def half_close(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


HANG_UPS = [reset, socket.socket.close, half_close]


def send(wall: Wall, request: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", wall.settings.port), timeout=60)
    client.sendall(request)
    return client


def answer_to_half_closed(wall: Wall, request: bytes) -> bytes:
    with send(wall, request) as client, client.makefile("rb") as answer:
        half_close(client)
        return answer.read()


@pytest.mark.parametrize("hang_up", HANG_UPS)
def test_hang_ups_count_for_their_address_until_torchserve_answers(
    open_wall: Open, held_torchserve: HeldTorchServe, hang_up: Callable[[socket.socket], None]
) -> None:
    wall = open_wall(client_connections=2)
    clients = [send(wall, REQUEST) for _ in range(2)]
    held_torchserve.wait_for(2)
    for client in clients:
        hang_up(client)
    for _ in range(3):
        assert wall.ask().status_code == 429
    other = threading.Thread(target=wall.ask_from, args=["127.0.0.2"])
    other.start()
    held_torchserve.wait_for(3)  # another address is let through
    held_torchserve.release()
    other.join(60)
    assert [line["status"] for line in wall.log(6)].count(200) == 3
    assert wall.ask().status_code == 200
    for client in clients:
        client.close()


@pytest.mark.parametrize("hang_up", HANG_UPS)
def test_log_of_a_request_says_whether_the_client_got_its_answer(
    open_wall: Open, held_torchserve: HeldTorchServe, hang_up: Callable[[socket.socket], None]
) -> None:
    wall = open_wall()
    client = send(wall, REQUEST)
    held_torchserve.wait_for(1)
    hang_up(client)
    wall.ask_from("127.0.0.2", **{"Content-Type": "text/none"})  # by now Nginx has seen it
    held_torchserve.release()
    refused, line = wall.log(2)
    assert (refused["status"], refused["completed"]) == (415, True)
    assert (line["status"], line["completed"]) == (200, hang_up is half_close)
    client.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /livez", 200),
        ("GET /readyz", 200),
        ("GET /", 200),
        ("GET /openapi.json", 200),
        ("GET /none", 404),
        ("PUT /livez", 405),
    ],
)
def test_half_closed_clients_are_answered(
    open_wall: Open, held_torchserve: HeldTorchServe, request_line: str, status: int
) -> None:
    wall = open_wall()
    wall.run_dir.ready.write_text('{"status": "ready"}')
    held_torchserve.release()
    request = f"{request_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = answer_to_half_closed(wall, request.encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\n\r\n{" in answer or b"</html>" in answer


def test_half_closed_clients_with_a_key_are_answered(
    open_wall: Open, held_torchserve: HeldTorchServe, tmp_path: Path
) -> None:
    key = add_key(tmp_path / "keys.txt", "alice")
    wall = open_wall(api_keys=tmp_path / "keys.txt")
    held_torchserve.release()
    request = f"{POST}X-Api-Key: {key}\r\nContent-Length: 1\r\n\r\na".encode()
    with gatekeeper(wall.run_dir.gatekeeper, wall.settings.api_keys, print):
        answer = answer_to_half_closed(wall, request)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b'{"label": "finance"}')


@pytest.mark.parametrize(
    ("trusted", "address", "forwarded", "client"),
    [
        ("", "127.0.0.1", "192.0.2.1", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.2", "192.0.2.1", "127.0.0.2"),
        ("127.0.0.0/8,10.0.0.0/8", "127.0.0.2", "192.0.2.9, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        ("127.0.0.0/8, fd00::/8", "127.0.0.1", "2001:db8::1, fd00::1", "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1", "192.0.2.1:4711", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1", "unknown", "127.0.0.1"),
    ],
)
def test_a_forwarded_address_is_believed_from_trusted_proxies_only(
    open_wall: Open, trusted: str, address: str, forwarded: str, client: str
) -> None:
    wall = open_wall(trusted_proxies=trusted)
    wall.ask_from(address, **{"X-Forwarded-For": forwarded})
    assert wall.log(1)[0]["client"] == client


def test_clients_behind_a_trusted_proxy_have_their_own_limits(
    open_wall: Open, held_torchserve: HeldTorchServe
) -> None:
    wall = open_wall(client_connections=1, trusted_proxies="127.0.0.1")
    held = send(wall, f"{POST}X-Forwarded-For: 192.0.2.1\r\nContent-Length: 1\r\n\r\na".encode())
    held_torchserve.wait_for(1)
    assert wall.ask(**{"X-Forwarded-For": "192.0.2.1"}).status_code == 429
    assert wall.ask(**{"X-Forwarded-For": "192.0.2.7, 192.0.2.1"}).status_code == 429
    held_torchserve.release()
    assert wall.ask(**{"X-Forwarded-For": "192.0.2.2"}).status_code == 200
    held.close()
