"""Folders, hub data sets and newsgroups, from files made here; no network."""

import codecs
import pickle
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from datasets.exceptions import DatasetGenerationError, ManualDownloadError
from sklearn.utils import Bunch

from docsort.core.errors import DataError
from docsort.data import hub, newsgroups
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from docsort.data.sources import open_sources
from tests.data.conftest import distinct_text

Write = Callable[[str, str | bytes], str]


def of_hub(dataset: Path | str, **given: Any) -> DataSettings:
    given = {"train": "train", "test": "test", **given}
    return DataSettings(source="hub", name="docs", dataset=str(dataset), **given)


def saved(folder: Path, label: Any, values: list[Any]) -> Path:
    features = Features({"text": Value("string"), "label": label, "n": Value("int32")})
    rows = {"text": ["a", "b", "c"], "label": values, "n": [1, 2, 3]}
    dataset = Dataset.from_dict(rows, features=features)
    DatasetDict({"train": dataset, "test": dataset.select([2])}).save_to_disk(folder)
    return folder


def test_a_saved_data_set_has_its_labels_named(tmp_path: Path) -> None:
    folder = saved(tmp_path / "saved", ClassLabel(names=["bad", "good"]), [1, 0, -1])
    sources = open_sources(of_hub(folder))
    assert sources["train"].dataset["label"][:] == ["good", "bad", ""]
    assert sources["test"].dataset["text"][:] == ["c"]
    assert sources["train"].source == f"{folder}:train"


def test_a_saved_data_set_of_label_lists(tmp_path: Path) -> None:
    kind = List(ClassLabel(names=["x", "y"]))
    rows = open_sources(of_hub(saved(tmp_path / "saved", kind, [[1, 0], [], None])))["train"]
    assert rows.task == "multi_label"
    # `datasets` itself writes a missing list as an empty one or keeps it missing; both may come.
    assert rows.dataset["label"][:2] == [["x", "y"], []]


def test_hub_groups_by_another_column_are_not_those_of_the_first(tmp_path: Path) -> None:
    rows = {"text": ["a", "b"], "label": ["x", "y"], "author": ["ann", "bob"], "year": [1, 1]}
    Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    read = {
        column: open_sources(of_hub(tmp_path / "saved", test=None, group_column=column))["train"]
        for column in ("author", "year")
    }
    groups = {column: rows.dataset["group"][:] for column, rows in read.items()}
    assert groups == {"author": ["ann", "bob"], "year": ["1", "1"]}
    assert read["author"].sha256 != read["year"].sha256


def test_a_lone_saved_data_set_is_split(tmp_path: Path) -> None:
    rows = {"text": [distinct_text(n) for n in range(40)], "label": ["a", "b"] * 20}
    Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    corpus = load_corpus(of_hub(tmp_path / "saved", test=None), seed=1)
    assert [len(split) for split in corpus.splits().values()] == [28, 4, 8]


def test_a_folder_of_files_is_a_data_set_too(tmp_path: Path, write: Write) -> None:
    write("set/train.csv", "text,label\na,x\n")
    write("set/test.csv", "text,label\nb,x\n")
    assert open_sources(of_hub(tmp_path / "set"))["test"].dataset["text"][:] == ["b"]


def test_a_hub_split_or_column_that_is_not_there(tmp_path: Path) -> None:
    folder = saved(tmp_path / "saved", Value("string"), ["x", "y", "z"])
    with pytest.raises(
        DataError, match=r"no split 'dev' \(data.val=dev\). It has: 'train', 'test'"
    ):
        open_sources(of_hub(folder, val="dev"))
    with pytest.raises(DataError, match=r"no column 'body'.*It has: 'text', 'label', 'n'"):
        open_sources(of_hub(folder, text_column="body"))


def test_a_hub_name_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_: object) -> None:
        raise ConnectionError("Couldn't reach 'ag_news' on the Hub")

    monkeypatch.setattr(hub, "load_dataset", unreachable)
    with pytest.raises(DataError, match=r"'ag_news' \(data.dataset\) can't be had.*save_to_disk"):
        open_sources(of_hub("ag_news"))
    monkeypatch.undo()
    with pytest.raises(DataError, match="can't be had"):
        open_sources(of_hub(tmp_path / "none" / "there"))


@pytest.mark.parametrize(
    "error", [DatasetGenerationError, ValueError, ManualDownloadError, OSError]
)
def test_errors_of_datasets_are_ours_and_quote_nothing(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def broken(*_: object) -> None:
        raise error("cannot cast SECRET document")

    monkeypatch.setattr(hub, "load_dataset", broken)
    with pytest.raises(DataError, match=r"data\.dataset") as caught:
        open_sources(of_hub("ag_news"))
    assert "SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_files_with_different_columns_are_no_data_set(tmp_path: Path, write: Write) -> None:
    write("set/train.csv", "text,label\nSECRET,x\n")
    write("set/test.csv", "text,label,SECRET\nb,x,y\n")
    with pytest.raises(DataError, match="differ in their columns") as caught:
        open_sources(of_hub(tmp_path / "set"))
    assert "SECRET" not in str(caught.value)


@pytest.fixture
def sklearn_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    return tmp_path


def test_newsgroups_from_scikit_learns_cache(sklearn_home: Path) -> None:
    def bunch(texts: list[str]) -> Bunch:
        data = [f"From: me\nSubject: it\n\n{text}\n\n> quoted\n" for text in texts]
        names = ["alt.atheism", "sci.space"]
        filenames = [f"x/{n}" for n in range(len(texts))]
        targets = [n % 2 for n in range(len(texts))]
        return Bunch(data=data, target=targets, target_names=names, filenames=filenames)

    def as_arrays(some: Bunch) -> Bunch:
        import numpy as np

        some.target, some.filenames = np.array(some.target), np.array(some.filenames)
        return some

    texts = [distinct_text(n) for n in range(20)]
    cache = {"train": as_arrays(bunch(texts)), "test": as_arrays(bunch(texts[:4]))}
    packed = codecs.encode(pickle.dumps(cache), "zlib_codec")
    (sklearn_home / "20news-bydate_py3.pkz").write_bytes(packed)
    corpus = load_corpus(DataSettings(source="newsgroups", name="news"), seed=1)
    assert corpus.labels == ("alt.atheism", "sci.space")
    assert sorted(text.strip() for text in corpus.test["text"]) == sorted(texts[:4])
    assert corpus.given == {"test"}


def test_newsgroups_without_cache_and_network(
    sklearn_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(newsgroups, "fetch_20newsgroups", unreachable)
    with pytest.raises(DataError) as caught:
        open_sources(DataSettings(source="newsgroups", name="news"))
    assert sklearn.datasets.get_data_home() in str(caught.value)
    assert "SCIKIT_LEARN_DATA" in str(caught.value)


def test_library_docs_are_one_table() -> None:
    rows = open_sources(DataSettings(source="library_docs", name="library-docs"))["train"]
    assert len(rows.dataset) > 1000
    assert rows.dataset["row"][:] == list(range(len(rows.dataset)))
