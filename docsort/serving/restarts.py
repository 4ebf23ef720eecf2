"""How often a program that ended by itself is started again before the supervisor gives up."""

import time
from collections import deque
from collections.abc import Callable

from docsort.serving.child import Child

_AT_MOST = 5
_WITHIN_S = 300.0


class Restarts:
    """Counts one program's ends; ``report`` is given a line on each."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._ends: deque[float] = deque(maxlen=_AT_MOST)

    def spend(self, child: Child) -> None:
        """Note that it ended. Raises ServingError if it has done so too often of late."""
        now = time.monotonic()
        if len(self._ends) == _AT_MOST and now - self._ends[0] < _WITHIN_S:
            child.check()
        self._ends.append(now)
        self._report(f"{child.name} ended by itself (status {child.exit_status}); starting again")
