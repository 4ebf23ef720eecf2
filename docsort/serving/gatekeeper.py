"""Answers Nginx's question whose key a request bears: a thread with a unix socket.

Nginx cannot hash. It asks before it reads a body, and only where API keys are set; the answer is a
status (204 with the key's name, 401, 403 where the file of keys is unreadable) and never a body.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from docsort.core.errors import ConfigError
from docsort.serving.keys import KeyRing

KEY_HEADER, NAME_HEADER = "X-Api-Key", "X-Key-Name"


class _Server(ThreadingMixIn, UnixStreamServer):
    """A thread a connection; Nginx keeps as many open as it asks at once."""

    daemon_threads = True
    # Nginx's connect to a full one fails at once; the kernel's somaxconn caps it
    request_queue_size = 4096

    def __init__(self, socket: Path, ring: KeyRing, report: Callable[[str], None]) -> None:
        self.ring = ring
        self._report = report
        self._trouble: str | None = None
        self._telling = threading.Lock()
        super().__init__(str(socket), _Handler)
        socket.chmod(0o600)

    def tell(self, trouble: str | None) -> None:
        """Report the file's state when it changes, not once a request."""
        with self._telling:
            if trouble == self._trouble:
                return
            self._trouble = trouble
        refused = f"every request is refused: {trouble}"
        self._report(refused if trouble else "the API keys can be read again")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        key = self.headers.get(KEY_HEADER, "")
        try:
            name = self.server.ring.name_of(key) if key else None
            if key:
                self.server.tell(None)
        except ConfigError as error:
            self.server.tell(str(error))
            self._answer(403)
            return
        self._answer(204 if name else 401, name)

    def _answer(self, status: int, name: str | None = None) -> None:
        self.send_response_only(status)
        if name:
            self.send_header(NAME_HEADER, name)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nginx's log has a line of it already."""


@contextmanager
def gatekeeper(
    socket: Path, keys: Path | None, report: Callable[[str], None]
) -> Iterator[KeyRing | None]:
    """Answer at ``socket`` while the block runs; nothing is started where there are no keys.

    Raises:
        ConfigError: the file of keys cannot be read.
    """
    if keys is None:
        yield None
        return
    ring = KeyRing(keys)
    ring.name_of("")
    with _Server(socket, ring, report) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.1], daemon=True)
        thread.start()
        try:
            yield ring
        finally:
            server.shutdown()
            thread.join()
            socket.unlink(missing_ok=True)
