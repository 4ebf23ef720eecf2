"""docsort as a user starts it: an archive, ``docsort serve``, the port."""

import sys
from pathlib import Path
from typing import Any

from benchmarks.serving.points import OPEN_CONNECTIONS
from benchmarks.serving.systems import Command, System

MODEL, VERSION = "bench", "1.0"
NAME = "docsort"


def docsort_system(archive: Path, options: tuple[str, ...] = ()) -> System:
    """``options`` are those of ``docsort serve``; none is its defaults, but an address's."""

    def start(folder: Path, port: int) -> Command:
        words = [sys.executable, "-m", "docsort", "serve", "--port", str(port)]
        words += ["--run-dir", str(folder / "run"), "--access-log", str(access_log(folder))]
        # the load comes from one address, and stands for that of many
        words += ["--client-connections", str(OPEN_CONNECTIONS)]
        return Command([*words, *options, str(archive)])

    return System(
        name=NAME,
        setting=" ".join(options) or "defaults",
        path=f"/predictions/{MODEL}",
        content_type="text/plain",
        start=start,
        body=lambda text: text,
        read=_read,
    )


def access_log(folder: Path) -> Path:
    """Where Nginx writes a line a request."""
    return folder / "access.log"


def _read(answer: Any) -> tuple[str, float]:
    return str(answer["label"]), float(answer["score"])
