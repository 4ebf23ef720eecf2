"""What clients notice when another version answers is refused or said before it does."""

from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving.differences import check_task, differences
from docsort.serving.mar import ArchiveInfo


def archive(version: str, labels: str, task: str = "single_label") -> ArchiveInfo:
    return ArchiveInfo(Path("x.mar"), "tiny", version, "f", task, tuple(labels))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("abc", "abc", ""),
        ("abc", "cba", ""),
        ("ab", "abc", " Labels that 1.0 does not have: 'c'."),
        ("abc", "ab", " Labels that only 1.0 has: 'c'."),
        ("a", "bcdefgh", "'b', 'c', 'd', 'e', 'f' and 2 more. Labels that only 1.0 has: 'a'."),
        ("a", "a\u00a0", r"'\xa0'"),
    ],
)
def test_labels_that_come_and_go_are_named(old: str, new: str, said: str) -> None:
    changed = differences(archive("1.0", old), archive("2.0", new))
    assert said in changed
    assert bool(said) == bool(changed)


def test_another_task_is_refused_and_named() -> None:
    default, other = archive("1.0", "ab"), archive("2.0", "ab", "multi_label")
    check_task(default, archive("2.0", "cd"))
    with pytest.raises(ServingError, match=r"2\.0 is a model of the task multi_label.*--force"):
        check_task(default, other)
    said = " Its task is multi_label, and that of 1.0 is single_label."
    assert differences(default, other) == said
