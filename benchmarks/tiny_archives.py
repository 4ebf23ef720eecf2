"""Archives of a tiny random model, as the tests make it, for trials of serving."""

from dataclasses import dataclass
from pathlib import Path

from docsort.serving.archive import build_archive
from tests.conftest import make_tiny_bert, make_tiny_bundle
from tests.serving.conftest import make_other_bundle


@dataclass(frozen=True)
class TinyArchives:
    """A store with tiny 1.0, and tiny 2.0, which answers otherwise, outside of it."""

    store: Path
    first: Path
    second: Path


def build_tiny_archives(folder: Path) -> TinyArchives:
    """Both, proved, in ``folder``."""
    (folder / "bert").mkdir()
    bundle = make_tiny_bundle(make_tiny_bert(folder / "bert"), folder / "first")
    other = make_other_bundle(bundle, folder / "second")
    store = folder / "store"
    return TinyArchives(
        store,
        build_archive(bundle, None, "1.0", store),
        build_archive(other, None, "2.0", folder / "elsewhere"),
    )
