"""Standard output and error of a command: what they cannot encode, and readers that are gone."""

import io
import logging
import os
import select
import sys
from collections.abc import Callable

# as shells say that SIGPIPE ended a process
CLOSED_PIPE = 128 + 13


def prepare_streams() -> None:
    """Let both streams write an escape for a character that their encoding does not have.

    A stream that was closed before the process began writes to nothing.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def closed_pipe_as_status(run: Callable[[], int]) -> int:
    """What ``run`` returns, or 141 where the reader of a stream has gone. Nothing is said then."""
    logging.raiseExceptions = False  # else each line of a log that nobody reads is a traceback
    try:
        try:
            status = run()
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
    except BrokenPipeError:
        if not _mute_closed():
            raise  # another connection's
        return CLOSED_PIPE
    except SystemExit as error:
        # rich mutes standard output itself, and ends with 1
        if isinstance(error.__context__, BrokenPipeError):
            _mute_closed()
            return CLOSED_PIPE
        raise
    return status


def mute_full() -> None:
    """Drop what standard output has in its buffer if its disk has no room for it."""
    try:
        sys.stdout.flush()
    except OSError:
        _mute([1])


def _mute_closed() -> bool:
    """Drop what the buffers of closed streams hold. Returns whether a stream is closed."""
    closed = [descriptor for descriptor in (1, 2) if _is_closed(descriptor)]
    _mute(closed)
    return bool(closed)


def _mute(descriptors: list[int]) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _is_closed(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)  # errors are reported whatever is asked for
    return any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
