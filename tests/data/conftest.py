"""Tables for the data tests: written small, read with a cache of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "nu",
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("DOCSORT_CACHE", str(folder))
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """Writes a file of the given name and content; returns its path."""

    def written(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return written


def distinct_text(number: int) -> str:
    """A text that is no near-duplicate of any other number's."""
    return " ".join(f"{word}{number}" for word in WORDS)


def csv_of(labels: list[str]) -> str:
    """A csv with one distinct text for each label."""
    rows = [f"{distinct_text(number)},{label}" for number, label in enumerate(labels)]
    return "\n".join(["text,label", *rows]) + "\n"
