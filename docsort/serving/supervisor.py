"""One supervisor: TorchServe with the wanted versions, each proved, behind Nginx, until one ends.

Knows the order of things; how each is done stands in torchserve.py and nginx.py.
"""

import json
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

import numpy as np

from docsort.core.errors import DocsortError, ServingError
from docsort.core.golden import check_golden
from docsort.serving.child import Child
from docsort.serving.mar import read_archive, unpack_archive
from docsort.serving.nginx import end_nginx, start_nginx, write_config
from docsort.serving.programs import check_port, find_java, find_nginx, find_torchserve
from docsort.serving.run_dir import RunDir, held_run_dir
from docsort.serving.settings import ServeSettings
from docsort.serving.torchserve import TorchServeApi, end_torchserve, start_torchserve
from docsort.serving.wanted import WantedModel, WantedVersion, write_atomically

_POLL_S = 0.1
Report = Callable[[str], None]


@dataclass(frozen=True)
class Programs:
    """The machine's programs that serving needs."""

    java: str
    nginx: str
    site_packages: Path


class StopRequested(Exception):  # noqa: N818 - a wish, not an error
    """Someone asked the supervisor to end."""


@dataclass
class Supervisor:
    """Serves until it is told to stop.

    ``report`` is given one line on what goes on; ``on_ready`` is called once all versions are
    proved and requests are let in.
    """

    settings: ServeSettings
    wanted: Sequence[WantedModel]
    programs: Programs
    report: Report
    on_ready: Callable[[], None]
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, keep_run_dir: bool) -> None:
        """Start all, follow both processes, end all. Returns when it was told to stop.

        Raises:
            ServingError: something could not be started, or ended by itself.
        """
        with held_run_dir(self.settings.run_dir, keep_run_dir) as run_dir:
            children: list[Child] = []
            try:
                self._start(run_dir, children)
                while True:
                    self._pause(children)
            except StopRequested:
                self.report("ending: finishing the requests in flight")
            finally:
                self._end(run_dir, children)

    def _start(self, run_dir: RunDir, children: list[Child]) -> None:
        settings, programs = self.settings, self.programs
        self.report("starting TorchServe")
        children.append(start_torchserve(programs.java, programs.site_packages, settings, run_dir))
        self._wait_for_torchserve(run_dir, children)
        timeout_s = max(settings.response_timeout_s, settings.startup_timeout_s) + 30.0
        with TorchServeApi(run_dir, timeout_s) as api:
            self.report("starting Nginx")
            config = write_config(settings, run_dir, api.inference_token)
            children.append(start_nginx(programs.nginx, config, run_dir))
            for model in self.wanted:
                for version in model.versions:
                    self._watched(children, partial(self._load, api, run_dir, model, version))
                self._watched(children, partial(api.set_default, model.name, model.default))
        run_dir.open_gate.touch()
        write_atomically(run_dir.ready, readiness(self.wanted))
        self.on_ready()

    def _wait_for_torchserve(self, run_dir: RunDir, children: Sequence[Child]) -> None:
        for _ in range(int(self.settings.startup_timeout_s / _POLL_S)):
            self._pause(children)
            if run_dir.tokens.exists() and run_dir.management.exists():
                with TorchServeApi(run_dir, 5.0) as api:
                    if api.is_up():
                        return
        raise ServingError(
            f"TorchServe did not answer within {self.settings.startup_timeout_s} s; "
            f"{children[0].last_lines()}"
        )

    def _load(
        self, api: TorchServeApi, run_dir: RunDir, model: WantedModel, version: WantedVersion
    ) -> None:
        """Register a version and have it answer its archive's golden documents."""
        label = f"{model.name} {version.version}"
        info = read_archive(self.settings.store / version.file)
        with tempfile.TemporaryDirectory(prefix="proof-", dir=run_dir.temporary) as folder:
            unpack_archive(info.path, Path(folder))
            self.report(f"loading {label}")
            api.register(version.file, model.name, self.settings)
            self.report(f"proving {label} by its golden documents")

            def score(texts: list[str]) -> np.ndarray:
                return api.scores(info, texts)

            check_golden(Path(folder) / "bundle", score)

    def _watched(self, children: Sequence[Child], call: Callable[[], None]) -> None:
        """Run a call that may take long, and give it up when a child ends or we are to stop."""
        pool = ThreadPoolExecutor(1)
        try:
            future: Future[None] = pool.submit(call)
            while True:
                try:
                    return future.result(timeout=_POLL_S)
                except FutureTimeoutError:
                    self._pause(children)
                except DocsortError as error:
                    for child in children:
                        child.check()
                    raise ServingError(f"{error}\n{children[0].last_lines()}") from error
        finally:
            # Its connection breaks when TorchServe ends; nobody waits for its result.
            pool.shutdown(wait=False)

    def _pause(self, children: Sequence[Child]) -> None:
        if self.stop.wait(_POLL_S):
            raise StopRequested
        for child in children:
            child.check()

    def _end(self, run_dir: RunDir, children: Sequence[Child]) -> None:
        """Nginx first, so that what is in flight gets its answer."""
        run_dir.ready.unlink(missing_ok=True)
        for child in reversed(children):
            if child.name == "Nginx":
                end_nginx(child, self.settings.drain_timeout_s)
            else:
                end_torchserve(child)


def prepare(settings: ServeSettings) -> Programs:
    """Find what serving needs, before anything is started. Raises ServingError."""
    programs = Programs(find_java(), find_nginx(), find_torchserve())
    check_port(settings.host, settings.port)
    return programs


def readiness(wanted: Sequence[WantedModel]) -> str:
    """What /readyz answers when all is well."""
    models = {
        model.name: {
            "default": model.default,
            "versions": [version.version for version in model.versions],
        }
        for model in wanted
    }
    return json.dumps({"status": "ready", "models": models}) + "\n"


@contextmanager
def stops_on_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal set ``stop`` while the block runs."""

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {which: signal.signal(which, handle) for which in signals}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
