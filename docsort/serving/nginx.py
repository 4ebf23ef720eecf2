"""Nginx's part: its configuration, its start, its reload, its end. Knows nothing of TorchServe."""

import ipaddress
import os
import pwd
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from docsort.core.disk import write_whole
from docsort.core.errors import ServingError, StorageError
from docsort.serving.child import Child
from docsort.serving.error_pages import error_pages
from docsort.serving.page import page_policy, render_page
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings, socket_address
from docsort.serving.templates import render
from docsort.serving.web import write_web

_GROUP_MAY_READ = 0o640


@dataclass(frozen=True)
class Share:
    """The version that answers a share of the requests for a model that name no version."""

    name: str
    version: str
    percent: int

    @property
    def pattern(self) -> str:
        """The path as a regular expression: Nginx ignores the case of a map's plain strings."""
        return rf"~^/predictions/{re.escape(self.name)}\z"


def write_config(
    settings: ServeSettings,
    run_dir: RunDir,
    inference_token: str,
    shares: Sequence[Share] = (),
    generation: str = "",
) -> None:
    """Write nginx.conf, whole or not at all, and all that it names, for Nginx's group.

    ``generation`` is what Nginx answers on ``run_dir.front`` once it serves by it.
    """
    errors = error_pages(settings.max_body_bytes)
    write_web(settings, run_dir, errors)
    for socket in (run_dir.inference, run_dir.metrics, run_dir.gatekeeper):
        if socket.exists():
            socket.chmod(0o660)
    if settings.tls_certificate and settings.tls_key:
        _copy_tls(settings.tls_certificate, settings.tls_key, run_dir)
    text = render(
        "nginx.conf.j2",
        settings=settings,
        run_dir=run_dir,
        errors=errors,
        page_policy=page_policy(render_page()),
        listen=_listen(settings.host, settings.port),
        metrics_listen=_listen(settings.metrics_host, settings.metrics_port),
        tls=settings.tls_certificate is not None,
        access_log=access_log(settings, run_dir),
        user=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
        inference_token=inference_token,
        shares=shares,
        generation=generation,
    )
    write_whole(run_dir.nginx_config, text, _GROUP_MAY_READ)


def access_log(settings: ServeSettings, run_dir: RunDir) -> Path:
    """Where Nginx writes a line a request."""
    return settings.access_log or run_dir.access_log


@contextmanager
def put_back(run_dir: RunDir) -> Iterator[None]:
    """If the block fails, leave nginx.conf as it was before; the first one stays, to be read."""
    config = run_dir.nginx_config
    before = config.read_bytes() if config.exists() else None
    try:
        yield
    except BaseException:
        if before is not None:
            # what went wrong at first is what is raised
            with suppress(OSError, StorageError):
                if config.read_bytes() != before:
                    write_whole(config, before, _GROUP_MAY_READ)
        raise


def _listen(host: str, port: int) -> str:
    """For all addresses, written as ``::``, those of IPv4 too, which Nginx would leave out."""
    every = ipaddress.ip_address(host) == ipaddress.IPv6Address("::")
    return socket_address(host, port) + (" ipv6only=off" if every else "")


def _copy_tls(certificate: Path, key: Path, run_dir: RunDir) -> None:
    """Into the run directory, which may be all that Nginx sees; readable by its group at most.

    Once: a pair that is renewed while we serve is unchecked, and may be half written.
    """
    for source, target in ((certificate, run_dir.tls_certificate), (key, run_dir.tls_key)):
        if not target.exists():
            write_whole(target, source.read_bytes(), _GROUP_MAY_READ)


def check_config(program: str, run_dir: RunDir) -> None:
    """Raise ServingError where Nginx would not take its configuration."""
    command = [*_command(program, run_dir), "-t"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if checked.returncode:
        raise ServingError(
            f"Nginx refuses its configuration {run_dir.nginx_config}: {checked.stderr.strip()}"
        )


def start_nginx(program: str, run_dir: RunDir) -> Child:
    """Start it in the foreground. Raises ServingError."""
    run_dir.front.unlink(missing_ok=True)  # a killed one's would hinder it
    command = _command(program, run_dir)
    return Child("Nginx", command, run_dir.path, run_dir.nginx_log, inherit=[run_dir.lock])


def reload_nginx(nginx: Child) -> None:
    """Let new workers serve by the configuration; the old ones finish what they have begun."""
    nginx.send(signal.SIGHUP)


def reopen_logs(nginx: Child) -> None:
    """Let it write to files of its logs' names, where those were renamed."""
    nginx.send(signal.SIGUSR1)


def end_nginx(nginx: Child, drain_timeout_s: float) -> None:
    """Take no new connections, finish what is in flight, then end."""
    nginx.end(signal.SIGQUIT, drain_timeout_s)


def _command(program: str, run_dir: RunDir) -> list[str]:
    places = ["-p", str(run_dir.nginx), "-e", str(run_dir.nginx_log)]
    return [program, *places, "-c", str(run_dir.nginx_config)]
