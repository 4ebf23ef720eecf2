"""Which archives a store holds, and which of their versions is the newest."""

from dataclasses import replace
from pathlib import Path

import pytest

from docsort.core.errors import ArchiveError
from docsort.serving.store import archives_in, newest_of_each, shared_store, version_order


@pytest.mark.parametrize(
    "versions",
    [
        ["1.0", "1.1", "1.9", "1.10", "2.0"],
        ["1", "1.0", "1.0.1", "2"],
        ["2.0-alpha", "2.0-beta", "2.0-rc1", "2.0-rc2", "2.0", "2.0.1"],
        ["20240101", "20250101"],
    ],
)
def test_versions_from_the_oldest_to_the_newest(versions: list[str]) -> None:
    assert sorted(set(versions), key=version_order) == versions


def test_newest_of_each(store: Path) -> None:
    found = archives_in(store)
    assert [info.version for info in found] == ["1.0", "2.0"]
    old, new = found
    other = replace(old, name="other")
    assert newest_of_each([new, other, old]) == {"tiny": new, "other": other}


def test_archives_of_one_run_lie_in_one_store(tmp_path: Path) -> None:
    assert shared_store([tmp_path / "a.mar", tmp_path / "b.mar"]) == tmp_path
    with pytest.raises(ArchiveError, match="one folder"):
        shared_store([tmp_path / "a.mar", tmp_path / "x" / "b.mar"])
