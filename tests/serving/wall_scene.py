"""Nginx with docsort's configuration, and a TorchServe that answers when the test tells it to."""

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings

PATH = "/predictions/tiny"


@dataclass
class Wall:
    """A running Nginx with docsort's configuration."""

    settings: ServeSettings
    run_dir: RunDir

    @property
    def url(self) -> str:
        return self.settings.url

    def ask(self, **headers: str) -> httpx.Response:
        return self.ask_from("127.0.0.1", **headers)

    def ask_from(self, address: str, **headers: str) -> httpx.Response:
        """The answer to a client of this loopback address."""
        transport = httpx.HTTPTransport(local_address=address)
        with httpx.Client(transport=transport, timeout=60) as client:
            given = {"Content-Type": "text/plain", **headers}
            return client.post(self.url + PATH, content="a", headers=given)

    def log(self, num: int) -> list[dict[str, Any]]:
        """The last lines of the access log, once there are as many; written after the answer."""
        deadline = time.monotonic() + 240
        while True:
            lines = self.run_dir.access_log.read_text().splitlines()
            if len(lines) >= num:
                return [json.loads(line) for line in lines[-num:]]
            assert time.monotonic() < deadline, lines
            time.sleep(0.01)


Open = Callable[..., Wall]


@dataclass
class HeldTorchServe:
    """Takes every request that Nginx passes on, and answers once ``release`` is called."""

    socket_path: Path
    held: list[socket.socket] = field(default_factory=list)
    is_released: bool = False

    def __post_init__(self) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.socket_path))
        self._listening.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            self.held.append(connection)
            if self.is_released:
                self._answer(connection)

    def wait_for(self, num: int) -> None:
        """Return once so many requests are held."""
        deadline = time.monotonic() + 240
        while len(self.held) < num:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def release(self) -> None:
        """Answer what is held, and from now on every request at once."""
        self.is_released = True
        for connection in self.held:
            self._answer(connection)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self.held:
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        body = b'{"label": "finance"}'
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
