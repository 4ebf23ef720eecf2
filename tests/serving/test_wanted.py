"""The wanted state: what to serve, remembered in one file of the store."""

import json
import os
import shutil
from pathlib import Path

import pytest

from docsort.core.errors import ArchiveError, ServingError, StorageError
from docsort.serving.versions import Canary, WantedModel, WantedVersion
from docsort.serving.wanted import WANTED, WantedFile, find_wanted, read_wanted, write_wanted


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may write to."""
    return Path(shutil.copytree(store, tmp_path / "store"))


def versions(wanted: tuple[WantedModel, ...]) -> dict[str, tuple[str, list[str]]]:
    return {m.name: (m.default, [v.version for v in m.versions]) for m in wanted}


def test_the_given_archives_come_first(own_store: Path) -> None:
    given = [own_store / "tiny-2.0.mar", own_store / "tiny-1.0.mar"]
    assert versions(find_wanted(own_store, given)) == {"tiny": ("2.0", ["2.0", "1.0"])}
    assert versions(find_wanted(own_store, given[1:])) == {"tiny": ("1.0", ["1.0"])}


def test_then_the_stores_wanted_state(own_store: Path) -> None:
    both = find_wanted(own_store, sorted(own_store.glob("*.mar")))
    (tiny,) = both
    write_wanted(own_store, [WantedModel("tiny", "1.0", tiny.versions)])
    assert versions(find_wanted(own_store, [])) == {"tiny": ("1.0", ["1.0", "2.0"])}


def test_else_the_newest_of_each_name(own_store: Path) -> None:
    assert versions(find_wanted(own_store, [])) == {"tiny": ("2.0", ["2.0"])}


def test_an_empty_store(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match=r"holds no archive.*docsort archive"):
        find_wanted(tmp_path, [])


def test_an_archive_that_was_swapped(own_store: Path) -> None:
    write_wanted(own_store, find_wanted(own_store, []))
    shutil.copy(own_store / "tiny-1.0.mar", own_store / "tiny-2.0.mar")
    with pytest.raises(ServingError, match=r"tiny-2\.0\.mar is not the archive of tiny 2\.0"):
        find_wanted(own_store, [])
    (own_store / "tiny-2.0.mar").unlink()
    with pytest.raises(ArchiveError, match="there is no archive"):
        find_wanted(own_store, [])


def test_one_that_is_no_default_stops_nobody(own_store: Path) -> None:
    (tiny,) = find_wanted(own_store, sorted(own_store.glob("*.mar")))
    wanted = (WantedModel("tiny", "1.0", tiny.versions),)
    write_wanted(own_store, wanted)
    (own_store / "tiny-2.0.mar").write_bytes(b"spoilt")
    assert find_wanted(own_store, []) == wanted
    (own_store / "tiny-2.0.mar").unlink()
    assert find_wanted(own_store, []) == wanted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be understood"),
        ("[]", "cannot be understood"),
        ('{"schema_version": 1, "models": {"a": {}}}', "cannot be understood"),
        ('{"schema_version": 1, "models": {}}', "names no model"),
        ('{"schema_version": 99, "models": {}}', "schema version 99"),
        (
            '{"schema_version": 1, "models": {"a": {"default": "2", "previous": null, '
            '"canary": null, "versions": {}}}}',
            "its default 2 must be one of its versions",
        ),
    ],
)
def test_a_state_that_cannot_be_used(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / WANTED).write_text(content)
    with pytest.raises(ServingError, match=said):
        read_wanted(tmp_path)


def test_reads_what_was_written(tmp_path: Path) -> None:
    versions = tuple(WantedVersion(v, f"{v}.mar", "f", "2026-01-01T00:00:00") for v in "123")
    wanted = (WantedModel("a", "2", versions, previous="1", canary=Canary("3", 10)),)
    write_wanted(tmp_path, wanted)
    assert read_wanted(tmp_path) == wanted
    assert json.loads((tmp_path / WANTED).read_text())["schema_version"] == 1
    withdrawn = (wanted[0].with_canary_withdrawn(),)
    write_wanted(tmp_path, withdrawn)
    assert read_wanted(tmp_path) == withdrawn


def test_one_supervisor_writes_it(tmp_path: Path) -> None:
    first, second = WantedFile(tmp_path), WantedFile(tmp_path)
    first.write(())
    with pytest.raises(ServingError, match="another docsort serves"):
        second.write(())
    first.close()
    second.write(())
    second.close()


def test_read_only_store_has_no_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = WantedFile(tmp_path)
    holder.own()
    other = WantedFile(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    other.own()
    monkeypatch.undo()
    with pytest.raises(ServingError, match="another docsort serves"):
        other.own()
    holder.close()


def test_nothing_is_written_where_the_store_was_moved(tmp_path: Path) -> None:
    store, moved = tmp_path / "store", tmp_path / "moved"
    store.mkdir()
    for owns in (True, False):
        file = WantedFile(store)
        if owns:
            file.own()
        store.rename(moved)
        with pytest.raises(ServingError, match=rf"the store {store} is gone"):
            file.write(())
        assert not store.exists()
        store.mkdir()
        with pytest.raises(ServingError, match=rf"the store {store} is another folder"):
            file.write(())
        assert os.listdir(store) == os.listdir(moved) == []
        store.rmdir()
        moved.rename(store)
        file.write(())
        file.close()
        (store / WANTED).unlink()


def test_a_failed_write_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wanted(tmp_path, ())
    before = (tmp_path / WANTED).read_text()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space"):
        write_wanted(tmp_path, (WantedModel("a", "1", (WantedVersion("1", "x", "f", "now"),)),))
    assert (tmp_path / WANTED).read_text() == before
    assert os.listdir(tmp_path) == [WANTED]
