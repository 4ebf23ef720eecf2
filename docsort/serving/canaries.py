"""When a canary is given up: its workers are gone and stay away, or are lost again and again.

Knows neither TorchServe nor Nginx, nor what giving it up means.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from docsort.core.errors import DocsortError
from docsort.serving.versions import WantedModel
from docsort.serving.watch import Watch

# TorchServe starts a dead worker again at once, and then ever more slowly.
GONE_FOR_S = 10.0
MAX_LOSSES = 3
_WITHIN_S = 300.0


@dataclass
class CanaryHealth:
    """One canary's workers, as looks of every few seconds find them. ``now`` is in seconds."""

    _losses: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_LOSSES))
    _gone_since: float | None = None

    def is_hopeless(self, had_worker: bool, has_worker: bool, now: float) -> bool:
        """Take a look in, and say whether to give it up.

        ``had_worker``: one that was proved earlier is there still; ``has_worker``: that one, or a
        new one that has proved itself since.
        """
        if not had_worker and self._gone_since is None:
            self._gone_since = now
            self._losses.append(now)
        gone_for_s = 0.0 if self._gone_since is None else now - self._gone_since
        if has_worker:
            self._gone_since = None
        elif gone_for_s >= GONE_FOR_S:
            return True
        return len(self._losses) == MAX_LOSSES and now - self._losses[0] < _WITHIN_S


@dataclass
class Canaries:
    """The health of all canaries; ``report`` is given a line where one cannot be looked at."""

    report: Callable[[str], None]
    _health: dict[tuple[str, str], CanaryHealth] = field(default_factory=dict)
    _unseen: dict[tuple[str, str], str] = field(default_factory=dict)  # why, as it was told

    def hopeless(
        self, watch: Watch, wanted: Sequence[WantedModel]
    ) -> Iterator[tuple[str, str, str]]:
        """Look at each in turn, and give name, version and why of those to give up.

        A look that finds nothing out counts neither for a canary nor against it.
        """
        canaries = [(m.name, m.version(v)) for m in wanted if (v := m.canary_version)]
        before, self._health = self._health, {}
        for name, version in canaries:
            key = (name, version.version)
            health = before.get(key, CanaryHealth())
            try:
                had_worker, reason = watch.try_to_ensure(name, version)
            except (DocsortError, OSError) as error:
                self._health[key] = health
                self._tell_unseen(key, str(error))
                continue
            self._unseen.pop(key, None)
            if health.is_hopeless(had_worker, reason is None, time.monotonic()):
                yield (*key, reason or "its workers end again and again")
            else:
                self._health[key] = health

    def _tell_unseen(self, key: tuple[str, str], why: str) -> None:
        if self._unseen.get(key) != why:
            self.report(f"the canary {' '.join(key)} cannot be looked at: {why}")
        self._unseen[key] = why
