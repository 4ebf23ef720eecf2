"""Nginx in another container, which shares the run directory's door: only configured from here.

docker/nginx-entry starts it, and reloads it when its configuration changes.
"""

import re
import secrets
import threading
import time
from collections.abc import Sequence

from docsort.core.errors import ServingError
from docsort.serving.front import asked
from docsort.serving.nginx import Share, put_back, write_config
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings

_POLL_S = 0.05
# docker/nginx-entry looks at the configuration twice a second
_APPLIED_WITHIN_S = 20.0


class ExternalFront:
    """In ``Front``'s place where ``--nginx external`` is set."""

    def __init__(self, settings: ServeSettings, run_dir: RunDir) -> None:
        self._settings = settings
        self._run_dir = run_dir
        self._token = ""
        self._applied: tuple[str, Sequence[Share]] | None = None
        self._changing = threading.Lock()

    def apply(self, shares: Sequence[Share], inference_token: str | None = None) -> None:
        """Give canaries these shares from now on, and return once Nginx does.

        Where there is no Nginx yet, it will begin with them. Raises ServingError, or StorageError
        on a full disk, and then the previous configuration stands on the disk again.
        """
        with self._changing:
            self._token = inference_token or self._token
            if (self._token, shares) == self._applied:
                return
            generation = secrets.token_hex(8)
            with put_back(self._run_dir):
                write_config(self._settings, self._run_dir, self._token, shares, generation)
                self._applied = None  # while it goes on and once it has failed, nobody knows
                self._wait_for(generation)
            self._applied = (self._token, shares)

    def check(self) -> None:
        """Its container's restart policy starts it again, and its engine keeps its log short."""

    def end(self) -> None:
        """Let no request in, and wait for those in flight; Nginx itself goes on, answering 503."""
        self._run_dir.open_gate.unlink(missing_ok=True)
        deadline = time.monotonic() + self._settings.drain_timeout_s
        while self._num_in_flight() and time.monotonic() < deadline:
            time.sleep(_POLL_S)

    def _wait_for(self, generation: str) -> None:
        deadline = time.monotonic() + _APPLIED_WITHIN_S
        while time.monotonic() < deadline:
            if asked(self._run_dir.front, "/generation") in (generation, None):
                return
            time.sleep(_POLL_S)
        raise ServingError(
            "Nginx's container does not serve by its new configuration; its log says why"
        )

    def _num_in_flight(self) -> int:
        """Requests that Nginx has begun and not answered, this question left out."""
        status = asked(self._run_dir.front, "/status") or ""
        writing = re.search(r"Writing: (\d+)", status)
        return int(writing[1]) - 1 if writing else 0
