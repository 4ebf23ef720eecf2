"""When a canary is given up: its workers are gone and stay away, or are lost again and again.

Knows neither TorchServe nor Nginx, nor what giving it up means.
"""

from collections import deque
from dataclasses import dataclass, field

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
