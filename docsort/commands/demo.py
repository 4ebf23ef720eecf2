"""``make demo``: the whole road on the embedded corpus, by the commands that a user would type.

Not a verb: ``python -m docsort.commands.demo``. Train, archive, serve, classify, stop.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
from rich.console import Console

STORE = Path("model_store")
NAME = "library-docs"
HOST = "127.0.0.1"
PORT = 1337
START_TIMEOUT_S = 300
STOP_TIMEOUT_S = 60
TEXTS = (
    "Design a low-pass Butterworth filter and return its second-order sections, so that the high "
    "frequencies of a sampled signal are removed.",
    "Merge two tables on a shared column, keeping the rows of the left one that have no match.",
    "Compute the two-sided p-value of the null hypothesis that two independent samples have "
    "identical means.",
)

console = Console()


def main() -> int:
    """Returns 0 when every step worked; a step that fails ends the demo with its status."""
    run = Path("runs") / "demo" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    version = _next_version()
    _docsort("train", "experiment=demo", f"hydra.run.dir={run}")
    _docsort("archive", "--bundle", str(run / "bundle"), "--name", NAME, "--version", version)
    archive = STORE / f"{NAME}-{version}.mar"
    port = _free_port()
    with _serving(archive, port):
        url = f"http://{HOST}:{port}"
        _docsort("classify", "--url", url, "--model", NAME, *TEXTS)
    docsort = os.path.relpath(Path(sys.executable).with_name("docsort"))
    console.print(
        f"\n[bold]report[/]   {run / 'report.html'}\n[bold]bundle[/]   {run / 'bundle'}\n"
        f"[bold]archive[/]  {archive}\n"
        f"Leave it serving on port {PORT} with: [bold]{docsort} serve {archive}[/]",
        soft_wrap=True,  # what is to be copied stays on its line
    )
    return 0


def _docsort(*arguments: str) -> None:
    console.print(f"\n[bold cyan]$ docsort {shlex.join(arguments)}[/]", highlight=False)
    finished = subprocess.run(_command(*arguments), check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


@contextmanager
def _serving(archive: Path, port: int) -> Iterator[None]:
    """``docsort serve`` in the background, ready; ended as by Ctrl-C."""
    arguments = ("serve", str(archive), "--port", str(port))
    console.print(f"\n[bold cyan]$ docsort {shlex.join(arguments)} &[/]", highlight=False)
    server = subprocess.Popen(_command(*arguments), stdin=subprocess.DEVNULL)
    try:
        _wait_until_ready(server, port)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(STOP_TIMEOUT_S)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(server.returncode or 1)
        try:
            if httpx.get(f"http://{HOST}:{port}/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # Nginx is not up yet
        time.sleep(0.5)
    sys.exit(f"the server was not ready within {START_TIMEOUT_S} s")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "docsort", *arguments]


def _next_version() -> str:
    """1.0, or behind the newest of earlier demos: an archive's version never changes its bytes."""
    minors = [int(path.stem.rpartition(".")[2]) for path in STORE.glob(f"{NAME}-1.*.mar")]
    return f"1.{max(minors, default=-1) + 1}"


def _free_port() -> int:
    """1337 where it is free, else any: the demo stops its own server and needs nobody else's."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("binding port 0 always finds one")


if __name__ == "__main__":
    os.environ["PYTHONUNBUFFERED"] = "1"
    sys.exit(main())
