"""A folder per label: what is read, what is counted, and what is refused."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docsort.core.errors import DataError
from docsort.data import folders
from docsort.data.folders import read_folder
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from tests.data.conftest import distinct_text

Write = Callable[[str, str | bytes], str]


@pytest.fixture
def docs(tmp_path: Path, write: Write) -> Path:
    """Two labels of one document each."""
    write("docs/cats/1.txt", "a cat")
    write("docs/dogs/1.txt", "a dog")
    return tmp_path / "docs"


def test_a_folder_per_label(tmp_path: Path, write: Write) -> None:
    write("docs/cats/b/2.txt", "second\ncat")
    write("docs/cats/1.txt", "\ufefffirst cat")
    write("docs/dogs/1", "a dog")
    rows = read_folder(tmp_path / "docs")
    assert rows.dataset["text"][:] == ["first cat", "second\ncat", "a dog"]
    assert rows.dataset["label"][:] == ["cats", "cats", "dogs"]
    assert (rows.skipped, rows.notes) == ({}, ())
    write("docs/dogs/1", "another dog")
    assert read_folder(tmp_path / "docs").sha256 != rows.sha256


def test_stray_files_are_counted(docs: Path, write: Write) -> None:
    for stray in (".git/HEAD", ".DS_Store", "cats/.hidden", "README.txt", "labels.csv"):
        write(f"docs/{stray}", "no document")
    (docs / "birds" / "2020").mkdir(parents=True)
    rows = read_folder(docs)
    assert len(rows.dataset) == 2
    assert rows.skipped == {
        "a hidden file or folder": 3,
        "a file beside the folders of the labels": 2,
        "a label's folder without a file": 1,
    }
    assert rows.notes == ("docs: folders without a file: 'birds'.",)


def test_stray_files_are_told_in_the_corpus(docs: Path, write: Write) -> None:
    for n in range(20):
        write(f"docs/{'cats' if n % 2 else 'dogs'}/{n}.txt", distinct_text(n))
    write("docs/README.txt", "no document")
    corpus = load_corpus(DataSettings(source="folder", name="docs", train=str(docs)), seed=1)
    assert corpus.ledger[0].skipped == {"a file beside the folders of the labels": 1}


def test_no_documents(tmp_path: Path, write: Write) -> None:
    with pytest.raises(DataError, match=f"There is no folder {tmp_path / 'none'}"):
        read_folder(tmp_path / "none")
    with pytest.raises(DataError, match="There is no folder"):
        read_folder(Path(write("file.txt", "x")))
    write("empty/README.txt", "x")
    with pytest.raises(DataError, match="needs a folder for each label"):
        read_folder(tmp_path / "empty")


@pytest.mark.parametrize(
    ("splits", "told"),
    [
        (["train", "test"], "data.train={0}/train data.test={0}/test"),
        (["Train", "valid", "test"], "data.train={0}/Train data.val={0}/valid data.test={0}/test"),
        (["training"], "data.train={0}/training"),
        (["train", "test", "notes"], "data.train={0}/train data.test={0}/test"),
    ],
)
def test_folders_of_splits_are_refused_with_what_to_type(
    tmp_path: Path, write: Write, splits: list[str], told: str
) -> None:
    for split in splits:
        write(f"up/{split}/cats/1.txt", "a cat")
    with pytest.raises(DataError, match="splits, not labels") as refused:
        read_folder(tmp_path / "up")
    given = str(refused.value).rpartition("one by one: ")[2]
    assert given == told.format(tmp_path / "up")


def test_labels_named_as_splits_are_read(tmp_path: Path, write: Write) -> None:
    write("docs/train/1.txt", "a locomotive")
    write("docs/car/1.txt", "a car")
    write("docs/test/2020/1.txt", "an exam")
    assert read_folder(tmp_path / "docs").dataset["label"][:] == ["car", "test", "train"]


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.symlink_to("nowhere"), "odd is a link to nothing"),
        (lambda path: path.symlink_to(path), "odd is a link that leads back to itself"),
        (lambda path: path.symlink_to(path.parent), "odd is a link to a folder that holds it"),
        (lambda path: path.symlink_to(path.parent.parent), "is a link to a folder that holds it"),
        (os.mkfifo, "odd is a pipe, not a file of text"),
        (socket_at, "odd is a socket, not a file of text"),
        (device, "odd is a device, not a file of text"),
        (lambda path: path.write_bytes(b"ab\xff"), r"odd is not UTF-8 \(byte 2\)"),
    ],
)
def test_what_is_no_file_of_text_is_refused(
    docs: Path, make: Callable[[Path], Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(docs)  # a socket's path must be short
    make(Path("cats/odd") if make is socket_at else docs / "cats" / "odd")
    with pytest.raises(DataError, match=told):
        read_folder(docs)


def test_a_dangling_link_beside_the_labels_is_refused(docs: Path) -> None:
    (docs / "birds").symlink_to("nowhere")
    with pytest.raises(DataError, match="birds is a link to nothing"):
        read_folder(docs)


def test_links_to_other_folders_are_followed(docs: Path, write: Write) -> None:
    write("elsewhere/1.txt", "a bird")
    (docs / "birds").symlink_to(docs.parent / "elsewhere")
    assert read_folder(docs).dataset["label"][:] == ["birds", "cats", "dogs"]


def test_a_label_that_is_not_utf8_is_refused(docs: Path) -> None:
    name = os.fsencode(docs) + b"/caf\xe9"
    os.mkdir(name)
    Path(os.fsdecode(name + b"/1.txt")).write_text("a coffee", encoding="utf-8")
    with pytest.raises(DataError, match=r"caf\\udce9 is not UTF-8\. Rename it") as refused:
        read_folder(docs)
    str(refused.value).encode()  # the message itself can be printed


def test_a_file_name_that_is_not_utf8_is_read(docs: Path) -> None:
    Path(os.fsdecode(os.fsencode(docs / "cats") + b"/\xff.txt")).write_text("a cat")
    assert len(read_folder(docs).dataset) == 3


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a method of Path fail as for a user who may not read; root may read all."""

    def forbid(method: str) -> None:
        def fail(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(folders.Path, method, fail)

    return forbid


@pytest.mark.parametrize("method", ["iterdir", "read_text"])
def test_what_may_not_be_read_is_told(
    docs: Path, forbidden: Callable[[str], None], method: str
) -> None:
    forbidden(method)
    with pytest.raises(DataError, match="can't be read: Permission denied"):
        read_folder(docs)
