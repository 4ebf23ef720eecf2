"""The embedded corpus, built from the libraries installed here."""

import json
import os
import re
import subprocess
import sys
from types import ModuleType

import pandas as pd
import pytest

from docsort.core.errors import DataError
from docsort.data import library_docs
from docsort.data.duplicates import duplicate_clusters
from docsort.data.library_docs import (
    LIBRARIES,
    MIN_WORDS,
    build_library_docs,
    library_docs_fingerprint,
)
from docsort.data.library_subjects import SUBJECTS

NOISE = re.compile(
    r">>>|`|\\|\$|https?:|0x[0-9a-f]{6}|:(?:func|class|meth|ref|math|attr):|\]_|\n|  "
)


@pytest.fixture(scope="module")
def corpus() -> pd.DataFrame:
    return build_library_docs()


def test_columns_and_size(corpus: pd.DataFrame) -> None:
    assert list(corpus.columns) == ["row", "name", "text", "label"]
    assert corpus["row"].tolist() == list(range(len(corpus)))
    assert 2200 < len(corpus) < 3500
    assert corpus["name"].is_unique


def test_every_subject_has_pages_enough(corpus: pd.DataFrame) -> None:
    counts = corpus["label"].value_counts()
    assert set(counts.index) == {subject for subject, _ in SUBJECTS}
    assert counts.min() >= 25
    assert counts.max() < 0.15 * len(corpus)


def test_every_library_contributes(corpus: pd.DataFrame) -> None:
    counts = corpus["name"].str.partition(".")[0].value_counts()
    assert set(counts.index) == set(LIBRARIES)
    assert counts.min() > 150


def test_pages_are_prose_of_a_useful_length(corpus: pd.DataFrame) -> None:
    words = corpus["text"].str.split().str.len()
    assert words.min() >= MIN_WORDS
    assert 40 < words.mean() < 75
    noisy = corpus["name"][corpus["text"].str.contains(NOISE)]
    assert noisy.tolist() == []


def test_no_near_duplicates_are_left(corpus: pd.DataFrame) -> None:
    assert duplicate_clusters(corpus["text"]).tolist() == corpus["row"].tolist()


@pytest.mark.parametrize(
    ("name", "label", "beginning"),
    [
        ("scipy.signal.butter", "signal processing", "Butterworth digital and analog filter"),
        ("pandas.merge", "data frames", "Merge DataFrame or named Series objects"),
        ("sklearn.cluster.DBSCAN", "clustering", "Perform DBSCAN clustering from vector array"),
        ("torch.nn.LSTM", "neural network layers", "Apply a multi-layer long short-term memory"),
        ("pandas.to_datetime", "dates and times", "Convert argument to datetime."),
        ("numpy.linalg.qr", "linear algebra", "Compute the qr factorization of a matrix."),
    ],
)
def test_known_pages(corpus: pd.DataFrame, name: str, label: str, beginning: str) -> None:
    (page,) = corpus[corpus["name"] == name].itertuples()
    assert page.label == label
    assert str(page.text).startswith(beginning)
    assert "Parameters" not in str(page.text)


def test_every_pattern_of_the_table_reaches_something() -> None:
    build_library_docs()  # imports what the table names, without their deprecation warnings
    patterns = [pattern for _, patterns in SUBJECTS for pattern in patterns.split()]
    assert len(patterns) == len(set(patterns))
    idle = [
        pattern for pattern in patterns if not any(True for _ in library_docs._members(pattern))
    ]
    assert idle == []


def test_a_caller_may_change_its_own_copy() -> None:
    mine = build_library_docs()
    mine["text"] = "changed"
    assert not (build_library_docs()["text"] == "changed").any()


def test_fingerprint_names_versions_and_content() -> None:
    fingerprint = library_docs_fingerprint()
    assert re.fullmatch(
        r"numpy \S+ scipy \S+ pandas \S+ scikit-learn \S+ torch \S+ sha256:[0-9a-f]{64}",
        fingerprint,
    )
    assert f"pandas {pd.__version__} " in fingerprint


def test_another_process_builds_the_same_and_says_nothing() -> None:
    program = (
        "import json\n"
        "from docsort.data.library_docs import library_docs_fingerprint\n"
        "print(json.dumps(library_docs_fingerprint()))\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "3", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(result.stdout) == library_docs_fingerprint()
    assert result.stderr == ""


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_scipy(name: str) -> ModuleType:
        if name == "scipy":
            raise ModuleNotFoundError("No module named 'scipy'")
        return sys.modules[name]

    monkeypatch.setattr(library_docs, "import_module", without_scipy)
    with pytest.raises(DataError, match=r"scipy.*install docsort again"):
        library_docs._pages.__wrapped__()


def test_python_without_docstrings_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_docs, "_text", lambda member: "")
    with pytest.raises(DataError, match="-OO"):
        library_docs._pages.__wrapped__()
