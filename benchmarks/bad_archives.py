"""Fault 3: archives that a server must refuse to register, and what they must leave as it is."""

import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import httpx

from benchmarks.fault_trial import of_version
from docsort.serving.run_dir import RunDir
from docsort.serving.wanted import WANTED
from tests.serving.conftest import RunningServer


@dataclass(frozen=True)
class BadArchive:
    """One of them, what is wrong with it, and what must be said when it is refused.

    ``sha256`` is what is asked for with it.
    """

    wrong: str
    file: Path
    said: str
    sha256: str | None = None


def bad_archives(good: Path, folder: Path, max_bytes: int) -> list[BadArchive]:
    """Version 3.0 of an archive, spoilt in each way, in ``folder``.

    ``max_bytes`` is the server's --max-archive-bytes.
    """
    with ZipFile(good) as content:
        golden = content.read("bundle/golden.jsonl")
    untrue = golden.replace(b'"probabilities": [0.', b'"probabilities": [1.', 1)
    corrupt = of_version(good, folder / "corrupt.mar", {})
    flipped = bytearray(corrupt.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    corrupt.write_bytes(flipped)
    truncated = of_version(good, folder / "truncated.mar", {})
    os.truncate(truncated, len(flipped) - 100)
    huge = of_version(good, folder / "huge.mar", {})
    os.truncate(huge, max_bytes + 1)
    climbing = of_version(good, folder / "climbing.mar", {"../x": b"x"})
    wrong = of_version(good, folder / "wrong.mar", {"bundle/golden.jsonl": untrue})
    sound = of_version(good, folder / "sound.mar", {})
    return [
        BadArchive("corrupt", corrupt, "truncated or damaged"),
        BadArchive("truncated", truncated, "File is not a zip file"),
        BadArchive("huge", huge, "--max-archive-bytes"),
        BadArchive("path-climbing", climbing, "outside the folder"),
        BadArchive("other golden answers", wrong, "probabilities differ"),
        BadArchive("another SHA-256", sound, "has the SHA-256", "0" * 64),
    ]


def state(store: Path, server: RunningServer) -> object:
    """All that a refused change must leave as it is: store, wanted state, TorchServe's folders."""
    run_dir = RunDir(server.run_dir, -1)
    return (
        sorted((file.name, file.stat().st_size) for file in store.iterdir()),
        (store / WANTED).read_text(),
        sorted(file.name for file in (run_dir.temporary / "models").iterdir()),
        sorted(file.name for file in run_dir.closed.rglob("*~")),
        httpx.get(f"{server.url}/readyz").json(),
    )
