"""`docsort serve --wait-for-archive`: an empty store is waited for, and said once."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from docsort.commands import serve
from docsort.core.errors import ServingError
from docsort.serving import wanted
from docsort.serving.versions import WantedModel
from docsort.serving.wanted import EmptyStoreError, find_wanted


def test_empty_store_is_waited_for_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = iter([True, True, False])

    def find(store: Path, archives: Sequence[Path]) -> tuple[WantedModel, ...]:
        return find_wanted(store, archives) if next(later) else ()

    monkeypatch.setattr(wanted, "find_wanted", find)
    monkeypatch.setattr(serve, "_POLL_S", 0.0)
    lines: list[str] = []
    assert serve._find_wanted(tmp_path, [], True, lines.append) == ()
    assert len(lines) == 2
    assert f"`docsort archive --bundle DIR --store {tmp_path}`" in lines[0]


def test_empty_store_ends_a_server_that_does_not_wait(tmp_path: Path) -> None:
    with pytest.raises(EmptyStoreError, match="holds no archive"):
        serve._find_wanted(tmp_path, [], False, print)


def test_store_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(ServingError, match=re.escape(f"{tmp_path} cannot be read by uid")) as told:
        serve._find_wanted(tmp_path, [], True, print)
    assert not isinstance(told.value, EmptyStoreError)
