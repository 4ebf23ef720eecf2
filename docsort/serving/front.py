"""Nginx as a whole: configured, started, configured anew without losing a request, started again,
its access log kept under a size.

Knows which shares of the requests go where, not why.
"""

import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from docsort.core.errors import ServingError
from docsort.serving.access_log import put_aside_if_full
from docsort.serving.child import Child
from docsort.serving.nginx import (
    Share,
    access_log,
    check_config,
    end_nginx,
    put_back,
    reload_nginx,
    reopen_logs,
    start_nginx,
    write_config,
)
from docsort.serving.restarts import Restarts
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings

_POLL_S = 0.02
_APPLIED_WITHIN_S = 20.0
_ASK_TIMEOUT_S = 5.0


class Front:
    """One Nginx, which serves by what ``apply`` was last given."""

    def __init__(
        self, program: str, settings: ServeSettings, run_dir: RunDir, report: Callable[[str], None]
    ) -> None:
        self._program = program
        self._settings = settings
        self._run_dir = run_dir
        self._restarts = Restarts(report)
        self._child: Child | None = None
        self._token = ""
        self._applied: tuple[str, Sequence[Share]] | None = None
        self._changing = threading.Lock()

    def apply(self, shares: Sequence[Share], inference_token: str | None = None) -> None:
        """Give canaries these shares from now on, and return once Nginx does.

        The first time starts Nginx, which ends with the thread that does: see child.py.
        ``inference_token`` is a new TorchServe's. Raises ServingError, or StorageError on a full
        disk, and then the previous configuration stands on the disk again.
        """
        with self._changing:
            self._token = inference_token or self._token
            if (self._token, shares) == self._applied:
                return
            generation = secrets.token_hex(8)
            with put_back(self._run_dir):
                write_config(self._settings, self._run_dir, self._token, shares, generation)
                self._applied = None  # while it goes on and once it has failed, nobody knows
                check_config(self._program, self._run_dir)
                if self._child is None:
                    self._child = start_nginx(self._program, self._run_dir)
                else:
                    reload_nginx(self._child)
                self._wait_for(generation)
            self._applied = (self._token, shares)

    def check(self) -> None:
        """Start Nginx again if it has ended by itself, and give a full access log's place to a new.

        Raises ServingError if it ends often.
        """
        with self._changing:
            if self._child is None:
                return
            log = access_log(self._settings, self._run_dir)
            # first, since SIGUSR1 would end an Nginx that has only just begun
            is_put_aside = put_aside_if_full(log, self._settings.max_access_log_bytes)
            if self._child.exit_status is not None:
                self._restarts.spend(self._child)
                end_nginx(self._child, 0.0)  # what it left behind
                self._child = start_nginx(self._program, self._run_dir)
            elif is_put_aside:
                reopen_logs(self._child)

    def end(self) -> None:
        """Take no new connections, finish what is in flight, then end."""
        if self._child:
            end_nginx(self._child, self._settings.drain_timeout_s)

    def _wait_for(self, generation: str) -> None:
        """Until new workers answer: Nginx keeps the old ones when it can't use a configuration."""
        assert self._child
        deadline = time.monotonic() + _APPLIED_WITHIN_S
        while time.monotonic() < deadline:
            self._child.check()
            if asked(self._run_dir.front, "/generation") == generation:
                return
            time.sleep(_POLL_S)
        raise ServingError(
            f"Nginx does not serve by its new configuration; {self._child.last_lines()}"
        )


def asked(front: Path, path: str) -> str | None:
    """What Nginx answers on its own socket; None where there is no Nginx."""
    with socket.socket(socket.AF_UNIX) as plug:  # httpx leaves one open that is refused
        plug.settimeout(_ASK_TIMEOUT_S)
        connection = HTTPConnection("nginx")
        connection.sock = plug
        try:
            plug.connect(str(front))
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except (OSError, HTTPException):
            return None
