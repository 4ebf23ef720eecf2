"""Nginx's part: its configuration, and the JSON of the errors that it answers by itself."""

import json
import os
import pwd
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from docsort.core.errors import ServingError
from docsort.serving.child import Child
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings, socket_address
from docsort.serving.templates import render

_RETRY = (("Retry-After", "2"),)


@dataclass(frozen=True)
class ErrorPage:
    """An error that Nginx answers, for itself or in TorchServe's place."""

    status: int
    type: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    variant: str = ""

    @property
    def file(self) -> str:
        return f"{self.type}{self.variant}.json"

    def body(self) -> str:
        content = {"code": self.status, "type": self.type, "message": self.message}
        return json.dumps({"error": content}) + "\n"


def error_pages(max_body_bytes: int) -> list[ErrorPage]:
    """All of them; templates/nginx.conf.j2 says when each is answered."""
    paths = "POST /predictions/NAME, POST /predictions/NAME/VERSION, GET /livez, GET /readyz"
    media = "Content-Type must be text/plain or application/json in UTF-8, with no Content-Encoding"
    post = (("Allow", "POST"),)
    get = (("Allow", "GET, HEAD"),)
    return [
        ErrorPage(400, "bad_request", "this is not a request that HTTP allows"),
        ErrorPage(400, "tls_required", "this port speaks TLS; use https"),
        ErrorPage(
            401,
            "unauthorized",
            "give an API key of this server: Authorization: Bearer KEY, or X-Api-Key: KEY",
            (("WWW-Authenticate", "Bearer"),),
        ),
        ErrorPage(404, "not_found", f"there is no such path; there are {paths}"),
        ErrorPage(404, "model_not_found", "no model of that name and version is served"),
        ErrorPage(405, "method_not_allowed", f"accepted: {paths}"),
        ErrorPage(405, "method_not_allowed", "accepted here: POST", post, "_post"),
        ErrorPage(405, "method_not_allowed", "accepted here: GET, HEAD", get, "_get"),
        ErrorPage(408, "request_timeout", "the request took too long to arrive"),
        ErrorPage(411, "length_required", "send the whole body with its Content-Length"),
        ErrorPage(
            413, "too_large", f"the body is over {max_body_bytes} bytes; send documents in parts"
        ),
        ErrorPage(414, "uri_too_long", "the request's path is too long"),
        ErrorPage(415, "unsupported_media_type", media),
        ErrorPage(429, "too_many_requests", "this address sends too many requests at once", _RETRY),
        ErrorPage(431, "headers_too_large", "the request's headers are too large"),
        ErrorPage(500, "internal", "the server failed on this request"),
        ErrorPage(500, "worker_failed", "the model failed or took too long; the request is lost"),
        ErrorPage(503, "busy", "too many requests are waiting, or the model restarts", _RETRY),
        ErrorPage(
            503, "not_ready", "a model has no worker yet that gave its golden answers", _RETRY
        ),
        ErrorPage(503, "keys_unreadable", "the server cannot read its API keys", _RETRY),
        ErrorPage(503, "unavailable", "the model server does not answer", _RETRY),
        ErrorPage(504, "timed_out", "the model did not answer in time"),
        ErrorPage(507, "out_of_memory", "the model had too little memory for this request"),
    ]


def write_config(settings: ServeSettings, run_dir: RunDir, inference_token: str) -> Path:
    """Write nginx.conf and all that it names; return its path."""
    errors = error_pages(settings.max_body_bytes)
    (run_dir.web / "errors").mkdir(exist_ok=True)
    for error in errors:
        (run_dir.web / "errors" / error.file).write_text(error.body(), encoding="utf-8")
    (run_dir.path / "nginx").mkdir(exist_ok=True)
    if settings.tls_certificate and settings.tls_key:
        _copy_tls(settings.tls_certificate, settings.tls_key, run_dir)
    text = render(
        "nginx.conf.j2",
        settings=settings,
        run_dir=run_dir,
        errors=errors,
        listen=socket_address(settings.host, settings.port),
        metrics_listen=socket_address(settings.metrics_host, settings.metrics_port),
        tls=settings.tls_certificate is not None,
        access_log=settings.access_log or run_dir.access_log,
        user=pwd.getpwuid(0).pw_name if os.geteuid() == 0 else None,
        inference_token=inference_token,
        # a request may wait for one batch before its own
        read_timeout_s=2 * settings.response_timeout_s + 10,
    )
    config = run_dir.path / "nginx.conf"
    config.touch(mode=0o600)
    config.write_text(text, encoding="utf-8")
    return config


def _copy_tls(certificate: Path, key: Path, run_dir: RunDir) -> None:
    """Into the run directory, which may be all that Nginx sees; readable by its owner alone."""
    for source, target in ((certificate, run_dir.tls_certificate), (key, run_dir.tls_key)):
        target.touch(mode=0o600)
        target.write_bytes(source.read_bytes())


def start_nginx(program: str, config: Path, run_dir: RunDir) -> Child:
    """Check the configuration, then start Nginx in the foreground. Raises ServingError."""
    log = run_dir.path / "nginx.log"
    command = [program, "-p", str(run_dir.path), "-e", str(log), "-c", str(config)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    if checked.returncode:
        raise ServingError(f"Nginx refuses its configuration {config}: {checked.stderr.strip()}")
    return Child("Nginx", command, run_dir.path, log, inherit=[run_dir.lock])


def end_nginx(nginx: Child, drain_timeout_s: float) -> None:
    """Take no new connections, finish what is in flight, then end."""
    nginx.end(signal.SIGQUIT, drain_timeout_s + 5)
