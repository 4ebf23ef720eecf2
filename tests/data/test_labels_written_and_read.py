"""Sets of labels, none and missing ones written into files, and read back the same."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from docsort.core.errors import DataError
from docsort.data.row_writers import row_writer
from docsort.data.rows import Columns
from docsort.data.table_format import TableFormat
from docsort.data.tables import read_table
from docsort.data.values import joined, separator_between

LABEL = st.text("ab;|,/~^[](){}'\"1 é\n\\", min_size=1, max_size=8).map(str.strip).filter(bool)
DOCUMENTS = st.lists(st.none() | st.lists(LABEL, max_size=4, unique=True), min_size=1, max_size=6)


def read_back(kind: str, documents: list[list[str] | None], separator: str) -> list[object]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{kind}"
        labels = pa.array(documents, pa.list_(pa.string()))
        with row_writer(path, separator)(path) as write:
            write(pa.table({"text": ["t"] * len(documents), "predicted": labels}))
        # what is written may have a second reading, which "auto" would refuse
        form = TableFormat(quoting="standard")
        rows = read_table(path, Columns(("text",), ("predicted",)), separator, form)
        return list(rows.dataset["label"][:])


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=DOCUMENTS, preferred=st.sampled_from([None, ";", ", ", "||", "\\t"]))
def test_labels_come_back_from_every_format(
    kind: str, documents: list[list[str] | None], preferred: str | None
) -> None:
    names = sorted({label for labels in documents for label in labels or []})
    separator = separator_between(names, preferred)
    try:
        found = read_back(kind, documents, separator)
    except DataError as refused:  # a label that is itself a list written as text is never read
        assume("a list written as text" not in str(refused))
        raise
    assert found == [None if labels is None else sorted(labels) for labels in documents]


def test_the_separator_is_that_of_training_or_one_in_no_label() -> None:
    assert separator_between(["a", "b"], None) == ";"
    assert separator_between(["a", "b"], ", ") == ", "
    assert separator_between(["a;b", "c"], None) == "|"
    assert separator_between(["a;b", "c|d"], ";") == ","
    assert separator_between(["a;", "c"], ";;") == "|"  # a;;;c could be a and ;c
    assert separator_between(["a"], "\\t") == ";"  # a tab alone is a blank cell
    with pytest.raises(DataError, match=r"\.parquet, which have lists"):
        separator_between([";|,/~^#&+*!@$%=:"], None)


def test_lists_that_no_cell_can_hold_are_json(tmp_path: Path) -> None:
    assert joined(["a;b"], ";") is None
    assert joined([" "], ";") is None
    assert joined(["[1]"], ";") == "[1];"
    tags = pa.array([["p", "q"], ["p;q", "r"], [], [""]], pa.list_(pa.string()))
    with row_writer(tmp_path / "t.csv")(tmp_path / "t.csv") as write:
        write(pa.table({"tags": tags}))
    cells = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert cells == ["tags", "p;q", '"[""p;q"", ""r""]"', ";", '"[""""]"']


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_empty_label_is_none_where_the_setting_says_so(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{kind}"
    path.write_text(
        "text,label\na,x;y\nb,\nc, \n"
        if kind == "csv"
        else '{"text":"a","label":["y","x"]}\n{"text":"b","label":null}\n{"text":"c"}\n'
    )
    found = {
        empty: read_table(path, Columns(("text",), ("label",), empty_label=empty), ";")  # type: ignore[arg-type]
        for empty in ("missing", "none")
    }
    assert found["missing"].dataset["label"][:] == [["x", "y"], None, None]
    assert found["none"].dataset["label"][:] == [["x", "y"], [], []]
