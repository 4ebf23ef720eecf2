"""What nobody holds is removed, file or folder; what somebody holds, or another name has, stays."""

import os
from pathlib import Path

import pytest

from docsort.serving.leftovers import clear, held


@pytest.mark.usefixtures("as_over_nfs")
def test_a_file_may_lie_on_nfs(tmp_path: Path) -> None:
    for name in (".work-1", ".work-2"):
        (tmp_path / name).write_text("a")
    with held(tmp_path / ".work-1"):
        clear(tmp_path, ".work-")
        assert os.listdir(tmp_path) == [".work-1"]


def test_what_is_held_stays_until_it_is_let_go(tmp_path: Path) -> None:
    for name in (".work-1", ".work-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").write_text("a")
    for name in (".work-3", ".work-4", "work-5"):
        (tmp_path / name).write_text("a")
    with held(tmp_path / ".work-2"), held(tmp_path / ".work-4"):
        clear(tmp_path, ".work-")
        assert sorted(os.listdir(tmp_path)) == [".work-2", ".work-4", "work-5"]
        with pytest.raises(BlockingIOError), held(tmp_path / ".work-2"):
            pass
    clear(tmp_path, ".work-")
    assert os.listdir(tmp_path) == ["work-5"]
