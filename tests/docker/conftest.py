"""The images built and the compose file run, by the engine that DOCSORT_CONTAINER_ENGINE names.

`docker` unless it is set. Where its last part is `sandbox`, it is the script that runs the same
words by buildah, podman and podman-compose, for machines without a Docker engine.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from docsort.core.hashing import file_sha256
from docsort.serving.archive import build_archive
from tests.serving.conftest import free_port

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
TLS = ROOT / "docker" / "compose.tls.yaml"
PROJECT = "docsort-test"
SERVICES = ("model", "nginx")
READY_WITHIN_S = 240


@dataclass(frozen=True)
class Engine:
    """Docker's words for one engine."""

    program: str
    environment: Mapping[str, str]

    @property
    def is_sandbox(self) -> bool:
        return Path(self.program).name == "sandbox"

    def works(self) -> bool:
        if shutil.which(self.program) is None:
            return False
        return self._run(*self._containers(), "info").returncode == 0

    def build(self, target: str) -> None:
        layers = ["--layers"] if self.is_sandbox else []
        # the sandbox, as CI, has torch where pip looks by itself
        if self.is_sandbox or "TORCH_INDEX_URL" in os.environ:
            index = os.environ.get("TORCH_INDEX_URL", "")
            layers += ["--build-arg", f"TORCH_INDEX_URL={index}"]
        arguments = ["--target", target, "-t", f"docsort-{target}", "-f", "docker/Dockerfile", "."]
        self._check("build", *layers, *arguments)

    def compose(self, *arguments: str, tls: bool = False) -> str:
        files = [str(COMPOSE), *([str(TLS)] if tls else [])]
        options = [word for file in files for word in ("-f", file)]
        return self._check("compose", "-p", PROJECT, *options, *arguments)

    def container(self, service: str) -> str:
        """Its name; podman-compose writes it with underscores."""
        separator = "_" if self.is_sandbox else "-"
        return separator.join((PROJECT, service, "1"))

    def sh(self, service: str, script: str) -> "subprocess.CompletedProcess[str]":
        return self._run(*self._containers(), "exec", self.container(service), "sh", "-c", script)

    def inspect(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self._check(*self._containers(), "inspect", self.container(service))
        )[0]
        return found

    def do(self, *arguments: str) -> str:
        return self._check(*self._containers(), *arguments)

    def _containers(self) -> list[str]:
        return ["podman"] if self.is_sandbox else []

    def _check(self, *arguments: str) -> str:
        finished = self._run(*arguments)
        assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
        return finished.stdout

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.program, *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )


@dataclass(frozen=True)
class Stack:
    """The compose file's services, up."""

    engine: Engine
    url: str
    port: int
    secret: str
    folder: Path  # its content is for containers to read

    def wait_until_ready(self, certificate: Path | None = None) -> dict[str, Any]:
        """What /readyz says once it is ready; over TLS where there is a certificate."""
        url = self.url.replace("http:", "https:") if certificate else self.url
        trust = ssl.create_default_context(cafile=certificate)
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(f"{url}/readyz", verify=trust)
                if answer.status_code == 200:
                    found: dict[str, Any] = answer.json()
                    return found
            except httpx.TransportError:
                pass
            time.sleep(0.3)
        logs = [self.engine.do("logs", self.engine.container(name)) for name in SERVICES]
        pytest.fail("\n".join(["not ready", *logs]))


@pytest.fixture(scope="session")
def engine_program() -> str:
    program = os.environ.get("DOCSORT_CONTAINER_ENGINE", "docker")
    if not Engine(program, {}).works():
        pytest.skip(f"no container engine: {program} does not answer (DOCSORT_CONTAINER_ENGINE)")
    return program


@pytest.fixture(scope="session")
def stack(
    engine_program: str, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Built, and up with tiny 1.0, which the fetch service brought from a file."""
    folder = tmp_path_factory.mktemp("containers")
    shared = folder / "store"
    (shared / "incoming").mkdir(parents=True)
    archive = build_archive(tiny_bundle, None, "1.0", shared / "incoming")
    secret = "s3cret-that-no-listing-shows"
    credentials = folder / "credentials.json"
    credentials.write_text(json.dumps({"auto_mkdir": False, "comment": secret}))
    for place in (folder, shared, shared / "incoming", archive, credentials):
        os.chown(place, 10001, 10001)
    for parent in folder.parents:  # pytest's own folders keep others out
        if parent.is_relative_to(tmp_path_factory.getbasetemp().parent):
            parent.chmod(0o711)
    port = free_port()
    environment = {
        "DOCSORT_STORE": str(shared),
        "DOCSORT_PORT": f"127.0.0.1:{port}",
        "MODEL_URL": "file:///store/incoming/tiny-1.0.mar",
        "MODEL_SHA256": file_sha256(archive),
        "MODEL_CREDENTIALS": str(credentials),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    engine = Engine(engine_program, environment)
    for target in ("nginx", "fetch", "model"):
        engine.build(target)
    engine.compose("down", "-v")
    try:
        engine.compose("up", "-d")
        yield Stack(engine, f"http://127.0.0.1:{port}", port, secret, folder)
    finally:
        engine.compose("down", "-v")
