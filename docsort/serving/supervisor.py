"""One supervisor: TorchServe with the wanted versions, each proved, behind Nginx, until one ends.

Knows the order of things; how each is done stands in torchserve.py and nginx.py.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

from docsort.core.errors import DocsortError, ServingError
from docsort.serving.child import Child
from docsort.serving.gatekeeper import gatekeeper
from docsort.serving.nginx import end_nginx, start_nginx, write_config
from docsort.serving.programs import check_port, find_java, find_nginx, find_torchserve
from docsort.serving.run_dir import RunDir, held_run_dir
from docsort.serving.settings import ServeSettings
from docsort.serving.torchserve import TorchServeApi, end_torchserve, start_torchserve
from docsort.serving.wanted import WantedModel, WantedVersion
from docsort.serving.watch import Watch

_POLL_S = 0.1
# How long /readyz may be behind the workers; each look costs TorchServe a request a model.
_FOLLOW_S = 2.0
Report = Callable[[str], None]
_Result = TypeVar("_Result")


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
        with (
            held_run_dir(self.settings.run_dir, keep_run_dir) as run_dir,
            gatekeeper(run_dir.gatekeeper, self.settings.api_keys, self.report),
        ):
            children: list[Child] = []
            try:
                with self._start(run_dir, children) as api:
                    watch = self._load_all(api, run_dir, children)
                    self._follow(watch, children)
            except StopRequested:
                self.report("ending: finishing the requests in flight")
            finally:
                self._end(run_dir, children)

    def _start(self, run_dir: RunDir, children: list[Child]) -> TorchServeApi:
        """Start both, with no version in TorchServe yet and predictions shut in Nginx."""
        settings, programs = self.settings, self.programs
        self.report("starting TorchServe")
        children.append(start_torchserve(programs.java, programs.site_packages, settings, run_dir))
        self._wait_for_torchserve(run_dir, children)
        timeout_s = max(settings.response_timeout_s, settings.startup_timeout_s) + 30.0
        api = TorchServeApi(run_dir, timeout_s)
        self.report("starting Nginx")
        config = write_config(settings, run_dir, api.inference_token)
        children.append(start_nginx(programs.nginx, config, run_dir))
        return api

    def _load_all(self, api: TorchServeApi, run_dir: RunDir, children: Sequence[Child]) -> Watch:
        """Load and prove every wanted version, then let requests in."""
        watch = Watch(api, run_dir, self.settings.store, self.wanted)
        for model in self.wanted:
            for version in model.versions:
                self._watched(children, partial(self._load, watch, model, version))
            self._watched(children, partial(api.set_default, model.name, model.default))
        run_dir.open_gate.touch()
        watch.restore()
        self.on_ready()
        return watch

    def _follow(self, watch: Watch, children: Sequence[Child]) -> None:
        """Keep readiness true until told to stop; tell each change of it."""
        was: str | None = None
        while True:
            due = time.monotonic() + _FOLLOW_S
            while time.monotonic() < due:
                self._pause(children)
            reason = self._watched(children, watch.follow)
            if reason != was:
                self.report("ready again" if reason is None else f"not ready: {reason}")
            was = reason

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

    def _load(self, watch: Watch, model: WantedModel, version: WantedVersion) -> None:
        self.report(f"loading {model.name} {version.version}")
        watch.api.register(version.file, model.name, self.settings)
        self.report(f"proving {model.name} {version.version} by its golden documents")
        watch.prove(model, version)

    def _watched(self, children: Sequence[Child], call: Callable[[], _Result]) -> _Result:
        """Run a call that may take long, and give it up when a child ends or we are to stop."""
        pool = ThreadPoolExecutor(1)
        try:
            future: Future[_Result] = pool.submit(call)
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
        """Nginx first, so that what is in flight gets its answer; each though another fails."""
        with ExitStack() as ends:  # the last that was pushed runs first
            for child in children:
                if child.name == "Nginx":
                    ends.callback(end_nginx, child, self.settings.drain_timeout_s)
                else:
                    ends.callback(end_torchserve, child)
            ends.callback(run_dir.ready.unlink, missing_ok=True)


def prepare(settings: ServeSettings) -> Programs:
    """Find what serving needs, before anything is started. Raises ServingError."""
    programs = Programs(find_java(), find_nginx(), find_torchserve())
    check_port(settings.host, settings.port)
    return programs


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
