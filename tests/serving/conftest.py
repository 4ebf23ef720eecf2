"""Archives of the tiny bundle, and one real server on loopback that a whole run shares."""

import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from docsort.core.bundle import load_model, read_bundle
from docsort.core.golden import write_bundle
from docsort.serving.archive import build_archive
from docsort.serving.nginx import end_nginx, start_nginx, write_config
from docsort.serving.programs import find_nginx
from docsort.serving.rollout import Rollout
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import find_wanted
from tests.conftest import GOLDEN_TEXTS
from tests.serving.rollout_scene import FakeApi, FakeFront, Scene
from tests.serving.wall_scene import HeldTorchServe, Open, Wall

START_TIMEOUT_S = 300
MAX_BODY_BYTES = 65536
PLAIN = {"Content-Type": "text/plain"}
# over what the server takes from clients, and over that much again
LONG_GOLDEN_TEXT = "the profit of the bank " * 8000


@pytest.fixture(scope="session")
def other_bundle(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with another head."""
    return make_other_bundle(tiny_bundle, tmp_path_factory.mktemp("bundles") / "other")


def make_other_bundle(tiny_bundle: Path, path: Path) -> Path:
    """Its answers differ from the tiny bundle's; one golden text is long."""
    bundle = read_bundle(tiny_bundle)
    classifier, tokenizer = load_model(bundle)
    classifier.head.weight.data.neg_()
    write_bundle(path, bundle.manifest, classifier, tokenizer, [*GOLDEN_TEXTS, LONG_GOLDEN_TEXT])
    return path


@pytest.fixture(scope="session")
def store(tiny_bundle: Path, other_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tiny 1.0 and tiny 2.0, which answers otherwise; both built and proved."""
    store = tmp_path_factory.mktemp("store")
    build_archive(tiny_bundle, None, "1.0", store)
    build_archive(other_bundle, None, "2.0", store)
    return store


@pytest.fixture
def archive_copy(store: Path, tmp_path: Path) -> Path:
    """A copy of tiny 1.0 that a test may spoil."""
    return Path(shutil.copy(store / "tiny-1.0.mar", tmp_path))


@pytest.fixture
def as_over_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """NFSv4's rule: only a descriptor that is open for writing takes an exclusive lock."""
    flock = fcntl.flock

    def flock_over_nfs(file: int | IO[bytes], how: int) -> None:
        access = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE
        if how & fcntl.LOCK_EX and access == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", flock_over_nfs)


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    certificate, key = folder / "server.crt", folder / "server.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command += " -subj /CN=docsort -addext subjectAltName=IP:127.0.0.1"
    files = ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return certificate, key


# Requests of a test meet in one batch, and servers start fast; the defaults are tried by the demo
# and in containers.
ONE_WORKER = ("--workers", "1", "--threads", "1", "--batch-size", "32", "--batch-delay-ms", "5")


@dataclass
class RunningServer:
    """``docsort serve`` in a process of its own."""

    process: "subprocess.Popen[str]"
    url: str
    run_dir: Path
    output: Path
    metrics_url: str

    def wait_until_ready(self, num_versions: int = 1) -> None:
        """Return once /readyz says so of so many; fail with the output if it ends before."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output.read_text()
            try:
                answer = httpx.get(f"{self.url}/readyz")
                if answer.status_code == 200:
                    models = answer.json()["models"].values()
                    if sum(len(model["versions"]) for model in models) == num_versions:
                        return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        pytest.fail(f"not ready within {START_TIMEOUT_S} s:\n{self.output.read_text()}")

    def wait_until_said(self, line: str) -> None:
        """Return once its output has the line."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while line not in self.output.read_text():
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)


def start_server(folder: Path, *arguments: str, temporary: Path | None = None) -> RunningServer:
    """Start ``docsort serve`` on a free port with what it writes in ``folder``.

    ``temporary`` is its TMPDIR.
    """
    port, metrics_port = free_port(), free_port()
    run_dir, output = folder / "run", folder / "output.txt"
    command = [sys.executable, "-m", "docsort", "serve", "--port", str(port), *ONE_WORKER]
    command += ["--metrics-port", str(metrics_port)]
    with output.open("w") as sink:
        process = subprocess.Popen(
            [*command, "--run-dir", str(run_dir), *arguments],
            stdout=sink,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
            env={
                **os.environ,
                "COLUMNS": "200",
                **({"TMPDIR": str(temporary)} if temporary else {}),
            },
        )
    at = "http://127.0.0.1"
    return RunningServer(process, f"{at}:{port}", run_dir, output, f"{at}:{metrics_port}")


@pytest.fixture(scope="session")
def server(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Both versions of tiny, 2.0 by default. Tests must leave it as it was."""
    archives = [str(store / f"tiny-{version}.mar") for version in ("1.0", "2.0")]
    limit = ["--max-body-bytes", str(MAX_BODY_BYTES)]
    server = start_server(tmp_path_factory.mktemp("server"), *limit, *archives)
    try:
        server.wait_until_ready(num_versions=2)
        yield server
    finally:
        server.stop()


@pytest.fixture
def open_wall(tmp_path: Path) -> Iterator[Open]:
    """Starts Nginx with given settings, as the supervisor does."""
    run_dir = RunDir(tmp_path / "run", os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    run_dir.open_gate.touch()
    ended = []

    def open_with(**settings: Any) -> Wall:
        chosen = ServeSettings(Path("store"), run_dir.path, port=free_port(), **settings)
        write_config(chosen, run_dir, "t0ken")
        nginx = start_nginx(find_nginx(), run_dir)
        ended.append(nginx)
        deadline = time.monotonic() + 240
        pid = run_dir.nginx / "nginx.pid"
        while not (pid.exists() and pid.read_text()):  # written once it listens; -t leaves it empty
            nginx.check()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return Wall(chosen, run_dir)

    yield open_with
    for nginx in ended:
        end_nginx(nginx, 1)


@pytest.fixture
def held_torchserve(tmp_path: Path, open_wall: Open) -> Iterator[HeldTorchServe]:
    """In TorchServe's place behind ``open_wall``."""
    torchserve = HeldTorchServe(RunDir(tmp_path / "run", lock=-1).inference)
    yield torchserve
    torchserve.close()


@pytest.fixture
def scene(tiny_bundle: Path, other_bundle: Path, store: Path, tmp_path: Path) -> Scene:
    """A rollout of two versions, the second a canary."""
    own_store = Path(shutil.copytree(store, tmp_path / "store"))
    run_dir = RunDir(tmp_path / "run", lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    settings = ServeSettings(own_store, run_dir.path)
    (tiny,) = find_wanted(own_store, sorted(own_store.glob("*.mar")))
    api, front = FakeApi({"1.0": tiny_bundle, "2.0": other_bundle}), FakeFront(settings, run_dir)
    reports: list[str] = []
    wanted = WantedModel("tiny", "1.0", tiny.versions)
    rollout = Rollout(settings, run_dir, front, [wanted], reports.append)
    rollout.begin(api)
    rollout.load_others()
    rollout.canary("tiny", "2.0", 10)
    return Scene(rollout, api, front, own_store, reports)
