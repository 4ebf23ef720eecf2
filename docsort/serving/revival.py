"""New workers for default versions whose workers TorchServe has given up. Knows no readiness."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from docsort.core.errors import ServingError
from docsort.serving.settings import ServeSettings
from docsort.serving.watch import Watch

# TorchServe 0.12 starts a worker that fails again and again for 300 s (maxRetryTimeoutInSec), and
# then silently never more; a start that it waits with by then comes up to 144 s later (BACK_OFF in
# WorkerThread), and takes the startup timeout at most. A version whose workers are ended while one
# waits would get a worker that nothing knows.
GIVES_UP_AFTER_S = 300.0 + 144.0


@dataclass
class Revival:
    """The default versions of one TorchServe, as looks of every few seconds find them."""

    settings: ServeSettings
    report: Callable[[str], None]
    _gone_since: dict[tuple[str, str], float] = field(default_factory=dict)

    def look(self, watch: Watch) -> None:
        """Where none of a version's workers can be starting any more, have TorchServe start others.

        A version that has one that is ready is let be, and so is a TorchServe that does not answer,
        of which readiness tells.
        """
        for model in watch.wanted:
            with suppress(ServingError):
                self._look_at(watch, model.name, model.default)

    def forget(self) -> None:
        """All of them have workers."""
        self._gone_since.clear()

    def _look_at(self, watch: Watch, name: str, version: str) -> None:
        if watch.api.ready_workers(name, version):
            self._gone_since.pop((name, version), None)
            return
        now = time.monotonic()
        gone_for_s = now - self._gone_since.setdefault((name, version), now)
        if gone_for_s >= GIVES_UP_AFTER_S + self.settings.startup_timeout_s:
            self._gone_since[name, version] = now
            self.report(f"{name} {version} has had no worker for {gone_for_s:.0f} s; starting anew")
            watch.api.renew_workers(name, version, self.settings)
