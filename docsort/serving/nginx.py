"""Nginx's part: its configuration, its start and its end. Knows nothing of models."""

import os
import pwd
import signal
import subprocess
from pathlib import Path

from docsort.core.errors import ServingError
from docsort.serving.child import Child
from docsort.serving.error_pages import error_pages
from docsort.serving.page import page_policy, render_page
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings, socket_address
from docsort.serving.templates import render
from docsort.serving.web import write_web


def write_config(settings: ServeSettings, run_dir: RunDir, inference_token: str) -> Path:
    """Write nginx.conf and all that it names, for Nginx's group; return its path."""
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
        listen=socket_address(settings.host, settings.port),
        metrics_listen=socket_address(settings.metrics_host, settings.metrics_port),
        tls=settings.tls_certificate is not None,
        access_log=settings.access_log or run_dir.access_log,
        user=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
        inference_token=inference_token,
        # a request may wait for one batch before its own
        read_timeout_s=2 * settings.response_timeout_s + 10,
    )
    run_dir.nginx_config.touch(mode=0o640)
    run_dir.nginx_config.write_text(text, encoding="utf-8")
    return run_dir.nginx_config


def _copy_tls(certificate: Path, key: Path, run_dir: RunDir) -> None:
    """Into the run directory, which may be all that Nginx sees; readable by its group at most."""
    for source, target in ((certificate, run_dir.tls_certificate), (key, run_dir.tls_key)):
        target.touch(mode=0o640)
        target.write_bytes(source.read_bytes())


def start_nginx(program: str, config: Path, run_dir: RunDir) -> Child:
    """Check the configuration, then start Nginx in the foreground. Raises ServingError."""
    log = run_dir.nginx_log
    command = [program, "-p", str(run_dir.nginx), "-e", str(log), "-c", str(config)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    if checked.returncode:
        raise ServingError(f"Nginx refuses its configuration {config}: {checked.stderr.strip()}")
    return Child("Nginx", command, run_dir.path, log, inherit=[run_dir.lock])


def end_nginx(nginx: Child, drain_timeout_s: float) -> None:
    """Take no new connections, finish what is in flight, then end."""
    nginx.end(signal.SIGQUIT, drain_timeout_s + 5)
