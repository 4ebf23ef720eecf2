"""One supervisor: TorchServe with the wanted versions, each proved, behind Nginx, until it is told.

Either is started again when it ends by itself. Knows the order of things; how each is done stands
in torchserve.py, front.py and rollout.py.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

from docsort.core.errors import DocsortError, ServingError, StorageError
from docsort.serving.access_log import check_access_log
from docsort.serving.child import Child
from docsort.serving.control import controlled
from docsort.serving.external_front import ExternalFront
from docsort.serving.front import Front
from docsort.serving.gatekeeper import gatekeeper
from docsort.serving.programs import check_gpus, check_port, find_java, find_nginx, find_torchserve
from docsort.serving.restarts import Restarts
from docsort.serving.revival import Revival
from docsort.serving.rollout import Rollout
from docsort.serving.run_dir import RunDir, held_run_dir
from docsort.serving.settings import ServeSettings
from docsort.serving.torchserve import TorchServeApi, end_torchserve, start_torchserve
from docsort.serving.versions import WantedModel
from docsort.serving.watch import Watch

_POLL_S = 0.1
# How long /readyz may be behind the workers; each look costs TorchServe a request a model.
_FOLLOW_S = 2.0
Report = Callable[[str], None]
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Programs:
    """The machine's programs that serving needs; no ``nginx`` where another container has it."""

    java: str
    nginx: str | None
    site_packages: Path


class StopRequested(Exception):  # noqa: N818 - a wish, not an error
    """Someone asked the supervisor to end."""


class TorchServeEnded(Exception):  # noqa: N818 - it is started again
    """TorchServe ended by itself."""


@dataclass
class Supervisor:
    """Serves until it is told to stop.

    ``report`` is given one line on what goes on; ``on_ready`` is called once all default versions
    are proved and requests are let in. With ``remembers``, what is wanted at the start is written
    down as the store's wanted state; what changes later always is.
    """

    settings: ServeSettings
    wanted: Sequence[WantedModel]
    programs: Programs
    report: Report
    on_ready: Callable[[], None]
    remembers: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, keep_run_dir: bool) -> None:
        """Start all, start again what ends by itself, end all. Returns when it was told to stop.

        Raises:
            ServingError: something could not be started, or ended by itself again and again.
        """
        with (
            held_run_dir(self.settings.run_dir, keep_run_dir) as run_dir,
            gatekeeper(run_dir.gatekeeper, self.settings.api_keys, self.report),
        ):
            front = self._front(run_dir)
            rollout = Rollout(self.settings, run_dir, front, self.wanted, self.report)
            if self.remembers:
                self.wanted = rollout.take_over()
            session = Session(self, run_dir, front, rollout)
            with (
                controlled(run_dir.control, rollout, self.report),
                ThreadPoolExecutor(1) as loader,
                ThreadPoolExecutor(1) as looker,
            ):
                try:
                    session.serve(loader, looker)
                except StopRequested:
                    self.report("ending: finishing the requests in flight")
                finally:
                    session.end()

    def _front(self, run_dir: RunDir) -> Front | ExternalFront:
        if self.programs.nginx is None:
            return ExternalFront(self.settings, run_dir)
        return Front(self.programs.nginx, self.settings, run_dir, self.report)


@dataclass
class Session:
    """One run of a supervisor, through the lives of several TorchServes."""

    asked: Supervisor
    run_dir: RunDir
    front: Front | ExternalFront
    rollout: Rollout
    torchserve: Child | None = None

    def serve(self, loader: Executor, looker: Executor) -> None:
        """Until told to stop: raises StopRequested, or ServingError.

        ``loader`` loads what is no default, ``looker`` looks at canaries; each does one at a time.
        """
        restarts = Restarts(self.asked.report)
        on_ready = self.asked.on_ready
        while True:
            self.asked.report("starting TorchServe")
            self.torchserve = start_torchserve(
                self.asked.programs.java,
                self.asked.programs.site_packages,
                self.asked.settings,
                self.run_dir,
            )
            try:
                self._serve_by(self.torchserve, on_ready, loader, looker)
            except TorchServeEnded:
                if not self.rollout.has_begun:
                    self.torchserve.check()
                self._suspend()
                restarts.spend(self.torchserve)
                end_torchserve(self.torchserve)  # its workers outlive it
            on_ready = partial(self.asked.report, "ready again")

    def end(self) -> None:
        """Nginx first, so that what is in flight gets its answer; each though another fails."""
        with ExitStack() as ends:  # the last that was pushed runs first
            if self.torchserve:
                ends.callback(end_torchserve, self.torchserve)
            ends.callback(self.front.end)
            ends.callback(self.run_dir.ready.unlink, missing_ok=True)
            self.rollout.end()

    def _serve_by(
        self,
        torchserve: Child,
        on_ready: Callable[[], None],
        loader: Executor,
        looker: Executor,
    ) -> None:
        """One TorchServe's life. Raises TorchServeEnded, StopRequested, or ServingError."""
        api = self._api_of(torchserve)  # never closed: changes that still go on would fail oddly
        self.front.apply([], api.inference_token)
        watch = self._watched(partial(self.rollout.begin, api))
        if self.asked.remembers:
            self._watched(self.rollout.remember)  # it waits while an operator changes something
        self.run_dir.open_gate.touch()
        watch.restore()
        on_ready()
        loader.submit(self.rollout.load_others)
        self._follow(watch, looker)

    def _api_of(self, torchserve: Child) -> TorchServeApi:
        settings, run_dir = self.asked.settings, self.run_dir
        timeout_s = max(settings.response_timeout_s, settings.startup_timeout_s) + 30.0
        for _ in range(int(settings.startup_timeout_s / _POLL_S)):
            self._pause()
            with suppress(ServingError):  # it has not written all of its tokens yet
                api = TorchServeApi(run_dir, timeout_s, settings.management_port)
                if api.is_up():
                    return api
                api.close()
        raise ServingError(
            f"TorchServe did not answer within {settings.startup_timeout_s} s; "
            f"{torchserve.last_lines()}"
        )

    def _follow(self, watch: Watch, looker: Executor) -> None:
        """Keep readiness true; tell each change of it. A canary that hangs delays no look at it."""
        revival = Revival(self.asked.settings, self.asked.report)
        was: str | None = None
        look: Future[None] | None = None
        while True:
            due = time.monotonic() + _FOLLOW_S
            while time.monotonic() < due:
                self._pause()
            reason = self._watched(watch.follow)
            if reason != was:
                self.asked.report("ready again" if reason is None else f"not ready: {reason}")
            was = reason
            if reason is None:
                revival.forget()
            else:
                self._watched(partial(revival.look, watch))
            if look is None or look.done():
                if look:
                    look.result()  # raises what no look should
                look = looker.submit(self.rollout.follow_canaries)

    def _suspend(self) -> None:
        """Until the next TorchServe has begun, Nginx answers 503 by itself."""
        self.rollout.suspend()
        self.run_dir.open_gate.unlink(missing_ok=True)
        self.run_dir.ready.unlink(missing_ok=True)

    def _watched(self, call: Callable[[], _Result]) -> _Result:
        """Run a call that may take long, and give it up when a child ends or we are to stop."""
        pool = ThreadPoolExecutor(1)
        try:
            future: Future[_Result] = pool.submit(call)
            while True:
                try:
                    return future.result(timeout=_POLL_S)
                except FutureTimeoutError:
                    self._pause()
                except StorageError:  # of which TorchServe's log tells nothing
                    self._check_torchserve()
                    raise
                except DocsortError as error:
                    self._check_torchserve()
                    assert self.torchserve
                    raise ServingError(f"{error}\n{self.torchserve.last_lines()}") from error
        finally:
            # Its connection breaks when TorchServe ends; nobody waits for its result.
            pool.shutdown(wait=False)

    def _pause(self) -> None:
        if self.asked.stop.wait(_POLL_S):
            raise StopRequested
        self._check_torchserve()
        self.front.check()

    def _check_torchserve(self) -> None:
        if self.torchserve and self.torchserve.exit_status is not None:
            raise TorchServeEnded


def prepare(settings: ServeSettings) -> Programs:
    """Find what serving needs, before anything is started. Raises ServingError."""
    check_gpus()
    if settings.management_port:
        check_port("--management-port", "127.0.0.1", settings.management_port)
    if settings.nginx == "external":
        return Programs(find_java(), None, find_torchserve())
    programs = Programs(find_java(), find_nginx(), find_torchserve())
    check_port("--port", settings.host, settings.port)
    if settings.access_log and not settings.access_log.is_relative_to(settings.run_dir):
        check_access_log(settings.access_log)
    if settings.metrics_port:
        check_port("--metrics-port", settings.metrics_host, settings.metrics_port)
    return programs


@contextmanager
def stops_on_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal set ``stop`` while the block runs.

    Not a closed terminal under ``nohup``, which ignores its signal for that.
    """

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    before = {which: signal.signal(which, handle) for which in signals}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
