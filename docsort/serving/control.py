"""The supervisor's side of `docsort models`: JSON over HTTP on a unix socket.

Who cannot enter the run directory cannot reach it. Knows no versions; control_client.py asks.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from docsort.core.errors import DocsortError, ServingError
from docsort.serving.rollout import Rollout

# What can be asked, and the arguments of each; a method of Rollout has the same name.
ASKED = {
    "list": (),
    "register": ("file", "sha256"),
    "promote": ("name", "version"),
    "rollback": ("name",),
    "canary": ("name", "version", "percent"),
    "retire": ("name", "version"),
}
_FORCIBLE = ("promote", "canary")  # these take "force", too
_MAX_BODY_BYTES = 1 << 16
_TIMEOUT_S = 10.0


@contextmanager
def controlled(socket: Path, rollout: Rollout, report: Callable[[str], None]) -> Iterator[None]:
    """Answer what is asked while the block runs; at its end, wait for what is being answered.

    ``report`` is given a line on each change that was made or refused.
    """
    with _Server(str(socket), rollout, report) as server:
        threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            socket.unlink(missing_ok=True)


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = False  # joined when it is closed

    def __init__(self, socket: str, rollout: Rollout, report: Callable[[str], None]) -> None:
        super().__init__(socket, _Handler)
        self.rollout = rollout
        self.report = report


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT_S

    def do_POST(self) -> None:
        what = self.path.removeprefix("/")
        try:
            arguments = self._arguments(what)
            answer = getattr(self.server.rollout, what)(**arguments)
        except DocsortError as error:
            self.server.report(f"{what} is refused: {error}")
            self._answer(409, {"error": str(error)})
        except Exception as error:
            self.server.report(f"{what} failed: {error!r}")
            self._answer(500, {"error": f"the supervisor failed: {error!r}"})
            raise
        else:
            if what != "list":  # which changes nothing
                self.server.report(answer)
            self._answer(200, {"answer": answer})

    def _arguments(self, what: str) -> dict[str, Any]:
        if what not in ASKED:
            raise ServingError(f"POST /{what} is not known; there are {', '.join(ASKED)}")
        length = min(int(self.headers["Content-Length"] or 0), _MAX_BODY_BYTES)
        try:
            arguments = json.loads(self.rfile.read(length))
        except ValueError as error:
            raise ServingError(f"POST /{what}: the body is not JSON") from error
        optional = {"force"} if what in _FORCIBLE else set()
        if not isinstance(arguments, dict) or set(arguments) - optional != set(ASKED[what]):
            raise ServingError(f"POST /{what} takes a JSON object of {', '.join(ASKED[what])}")
        return arguments

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # where who asked has gone, what was asked for is done all the same
        with suppress(BrokenPipeError, ConnectionResetError):
            self.end_headers()
            self.wfile.write(body)

    def address_string(self) -> str:
        return "control"  # a unix socket's client has no address

    def log_message(self, format: str, *args: Any) -> None:
        """What came of it is reported."""
