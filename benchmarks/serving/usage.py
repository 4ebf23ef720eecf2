"""What a server's processes use: CPU seconds and peak memory of the whole tree."""

import threading
from contextlib import suppress

import psutil

_SAMPLE_S = 0.5  # walking /proc costs milliseconds of the cores that are measured


class Usage:
    """Watches a process and all that it started, until closed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._root = psutil.Process(pid)
        self._peak_bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._over.set()
        self._thread.join()

    @property
    def peak_rss_mb(self) -> float:
        """Highest sum of resident memory so far; pages that processes share count for each."""
        self._sample()
        return round(self._peak_bytes / 1e6, 1)

    def cpu_s(self) -> float:
        """Seconds of CPU that the processes which run now have used."""
        total = 0.0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        total = 0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        self._peak_bytes = max(self._peak_bytes, total)
