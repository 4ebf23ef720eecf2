"""One child process: started so that it cannot outlive us, ended with all that it started.

Knows nothing of what runs in it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from docsort.core.errors import ServingError

_NUM_LAST_LINES = 15
_POLL_S = 0.05
_KILL_TIMEOUT_S = 10.0


class Child:
    """A running program in a process group of its own, with its output in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        cwd: Path,
        log: Path,
        env: Mapping[str, str] | None = None,
        inherit: Sequence[int] = (),
    ) -> None:
        """Start it. ``inherit`` are file descriptors that it keeps open.

        A session of its own keeps the terminal's Ctrl-C for the supervisor, which ends the
        children in order; setpriv (util-linux) has the kernel end it if the supervisor is killed,
        or as soon as the thread that started it ends: start children in the main thread.
        """
        self.name = name
        self.log = log
        setpriv = shutil.which("setpriv")
        guard = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with log.open("ab") as sink:
            try:
                self._process = subprocess.Popen(
                    [*guard, *command],
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=tuple(inherit),
                )
            except OSError as error:
                raise ServingError(f"{name} does not start: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise ServingError with the last lines of its log if it has ended."""
        if (status := self.exit_status) is not None:
            raise ServingError(
                f"{self.name} ended by itself (status {status}); {self.last_lines()}"
            )

    def last_lines(self) -> str:
        """The end of its log, for a message."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        if not lines:
            return f"it wrote nothing to {self.log}"
        return f"the end of {self.log}:\n" + "\n".join(lines[-_NUM_LAST_LINES:])

    def send(self, how: signal.Signals) -> None:
        """Send it a signal; nothing happens if it has ended."""
        self._process.send_signal(how)

    def end(self, how: signal.Signals, timeout_s: float) -> None:
        """Ask it to end; after the timeout, and for what it leaves behind, kill its whole group."""
        if self._process.poll() is None:
            self._process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self._kill_group()
        self._process.wait()

    def _kill_group(self) -> None:
        # The group outlives its leader: TorchServe's workers, Nginx's processes.
        deadline = time.monotonic() + _KILL_TIMEOUT_S
        while (members := group_members(self.pid)) and time.monotonic() < deadline:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.poll()
            time.sleep(_POLL_S)


def group_members(group: int) -> list[int]:
    """Process ids of a group's processes that run still; zombies that nobody reaps are left out."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # "pid (name) state ppid pgrp …"; the name may hold spaces and brackets
            state, _, pgrp = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state not in "ZX":
                members.append(int(stat.parent.name))
    return members
