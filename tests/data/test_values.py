"""Values as texts and labels: missing ones, one spelling, lists, and several columns of 0 and 1."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from docsort.core.errors import DataError
from docsort.data.folders import read_folder
from docsort.data.hub import read_hub
from docsort.data.rows import Columns, Rows
from docsort.data.tables import read_table

NAN = float("nan")
COLUMNS = Columns(("text",), ("label",))
Write = Callable[[str, str | bytes], str]
Read = Callable[..., Rows]


def of_jsonl(
    folder: Path, values: dict[str, list[Any]], columns: Columns, separator: str | None
) -> Rows:
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_table(path, columns, separator)


def of_parquet(
    folder: Path, values: dict[str, list[Any]], columns: Columns, separator: str | None
) -> Rows:
    pq.write_table(pa.table(values), folder / "t.parquet")
    return read_table(folder / "t.parquet", columns, separator)


def of_hub(
    folder: Path, values: dict[str, list[Any]], columns: Columns, separator: str | None
) -> Rows:
    Dataset(pa.table(values)).save_to_disk(folder / "saved")
    where = str(folder / "saved")
    return read_hub(where, None, {"train": "train"}, {"train": columns}, separator)["train"]


SOURCES: dict[str, Read] = {"jsonl": of_jsonl, "parquet": of_parquet, "hub": of_hub}


@pytest.fixture(params=SOURCES)
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """Reads columns, given by name, from a source of each kind that has types."""

    def rows(
        separator: str | None = None, columns: Columns = COLUMNS, **values: Sequence[Any]
    ) -> Rows:
        number = len(next(iter(values.values())))
        given = {"text": ["t"] * number, **values}
        return SOURCES[request.param](tmp_path, given, columns, separator)

    return rows


def labels(rows: Rows) -> list[Any]:
    return list(rows.dataset["label"][:])


def test_nan_is_a_missing_text_and_a_missing_label(read: Read) -> None:
    rows = read(text=[1.5, NAN, None, 2.0], label=[NAN, 1.0, 0.5, None])
    assert rows.dataset["text"][:] == ["1.5", "", "", "2"]
    assert labels(rows) == ["", "1", "0.5", ""]


def test_words_for_missing_stay_labels(read: Read, write: Write) -> None:
    words = ["nan", "NaN", "NA", "None", "null"]
    assert labels(read(label=words)) == words
    csv = write("t.csv", "text,label\n" + "".join(f"t,{word}\n" for word in words))
    assert labels(read_table(csv, COLUMNS)) == words


def test_nan_in_a_list_is_no_label_and_alone_the_list_is_missing(read: Read) -> None:
    rows = read(label=[[1.0, NAN], [NAN], [None], [], None])
    assert labels(rows) == [["1"], None, None, [], None]


def test_a_label_that_cannot_be_seen_is_no_label(read: Read, write: Write) -> None:
    rows = read(label=[["x", "\u200b"], ["\u200b", " "], ["y\u200b"]])
    assert labels(rows) == [["x"], None, ["y\u200b"]]
    csv = write("t.csv", "text,label\n" + "t,x;\u200b\nt,\u200b\nt,;\nt,\u200b;\nt, \n")
    assert labels(read_table(csv, COLUMNS, ";")) == [["x"], None, [], [], None]


def test_numbers_and_truth_values_have_one_spelling(read: Read) -> None:
    assert labels(read(label=[True, False])) == ["true", "false"]
    assert labels(read(label=[[True], [False, True]])) == [["true"], ["false", "true"]]
    numbers = [1.0, 0.1, 1e20, 1e-7, 2.5]
    spelled = ["1", "0.1", "1e+20", "1e-7", "2.5"]
    assert labels(read(label=numbers)) == spelled
    assert labels(read(label=[[number] for number in numbers])) == [[word] for word in spelled]
    assert labels(read(label=[7, 2**60])) == ["7", str(2**60)]


def test_kinds_mixed_in_jsonl_are_spelled_as_those_of_one_kind(tmp_path: Path) -> None:
    mixed = ["x", 1.0, True, 1e20, NAN, None, 2**80]
    rows = of_jsonl(tmp_path, {"text": mixed, "label": mixed}, COLUMNS, None)
    expected = ["x", "1", "true", "1e+20", "", "", str(2**80)]
    assert labels(rows) == expected
    assert rows.dataset["text"][:] == expected
    lists = [["x", 1.0, True, NAN], "y", False, [NAN], NAN]
    rows = of_jsonl(tmp_path, {"text": ["t"] * 5, "label": lists}, COLUMNS, None)
    assert labels(rows) == [["1", "true", "x"], ["y"], ["false"], None, None]


def test_a_list_far_down_in_jsonl_makes_all_labels_lists(tmp_path: Path) -> None:
    many = {"text": ["t"] * 1501, "label": ["x"] * 1500 + [["y"]]}
    assert labels(of_jsonl(tmp_path, many, COLUMNS, None))[-2:] == [["x"], ["y"]]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ([["secret"]], "a list in a list"),
        ([{"secret": 1}], "an object in a list"),
        ({"secret": ["x"]}, "an object"),
    ],
)
def test_nested_labels_are_refused_by_row(read: Read, value: Any, what: str) -> None:
    with pytest.raises(DataError, match=f"row 1 holds {what} in column 'label'") as refused:
        read(label=[None, value, value])
    assert "secret" not in str(refused.value)


def test_nested_texts_are_refused_by_row(read: Read) -> None:
    with pytest.raises(DataError, match=r"row 1 holds a list in column 'text' .*text_column=NAME"):
        read(text=[None, ["secret"]], label=["x", "y"])


def test_maps_and_other_types_of_parquet_are_refused(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.int64())
    labels = pa.array([[("secret", 1)]], kind)
    with pytest.raises(DataError, match="row 0 holds an object in column 'label'"):
        of_parquet(tmp_path, {"text": ["a"], "label": labels}, COLUMNS, None)  # type: ignore[dict-item]
    raw = pa.array([b"\xff"], pa.binary())
    with pytest.raises(DataError, match="column 'text' holds binary"):
        of_parquet(tmp_path, {"text": raw, "label": ["x"]}, COLUMNS, None)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string(), 1),
        pa.large_list(pa.string()),
        pa.list_(pa.dictionary(pa.int32(), pa.string())),
    ],
)
def test_every_kind_of_list_holds_labels(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array([["b"], ["a"], None], pa.list_(pa.string())).cast(kind)
    rows = of_parquet(tmp_path, {"text": ["t"] * 3, "label": values}, COLUMNS, None)  # type: ignore[dict-item]
    assert labels(rows) == [["b"], ["a"], None]


WRITTEN_LISTS = [
    "['sport', 'food']",
    '["a"]',
    "['a']",
    "[1, 2]",
    "[]",
    '["a", null]',
    "('a', 'b')",
    "{'a'}",
    "['a' 'b']",
]
LABELS_IN_BRACKETS = ["[/b]", "[1]", "[b]x[/b]", "(a)", "(1, 2)", "{x}", "[sport, food]"]


@pytest.mark.parametrize("separator", [None, ";", ","])
@pytest.mark.parametrize("cell", WRITTEN_LISTS)
def test_a_list_written_as_text_is_refused_by_row(
    tmp_path: Path, cell: str, separator: str | None
) -> None:
    values = {"text": ["t"] * 3, "label": ["x", "y", cell]}
    with pytest.raises(DataError, match="row 2 holds a list written as text") as refused:
        of_jsonl(tmp_path, values, COLUMNS, separator)
    assert "data.label_separator" in str(refused.value)
    assert cell not in str(refused.value)


@pytest.mark.parametrize("cell", LABELS_IN_BRACKETS)
def test_a_label_in_brackets_is_no_list(tmp_path: Path, cell: str) -> None:
    assert labels(of_jsonl(tmp_path, {"text": ["t"], "label": [cell]}, COLUMNS, None)) == [cell]


@pytest.mark.parametrize("cell", ["[1]", "[sport,food]"])
def test_separated_labels_are_not_split_out_of_a_list(tmp_path: Path, cell: str) -> None:
    with pytest.raises(DataError, match="row 0 holds a list written as text"):
        of_jsonl(tmp_path, {"text": ["t"], "label": [cell]}, COLUMNS, ",")


def test_a_separator_that_is_between_no_labels_is_noted(write: Write) -> None:
    file = write("t.csv", 'text,label\na,"x, y"\nb,x\n')
    [note] = read_table(file, COLUMNS, ";").notes
    assert note.startswith("data.label_separator=';' is between labels in no cell of t.csv")
    assert read_table(file, COLUMNS, ",").notes == ()


def test_columns_of_0_and_1_are_labels(read: Read) -> None:
    columns = Columns(("text",), ("is_sport", "is_food"))
    rows = read(columns=columns, is_sport=[1, 0, 1, 0, None], is_food=[0.0, 1.0, 1.0, 0.0, NAN])
    assert rows.task == "multi_label"
    both = ["is_food", "is_sport"]
    assert labels(rows) == [["is_sport"], ["is_food"], both, [], None]
    truth = read(columns=columns, is_sport=[True, False], is_food=["FALSE", " true "])
    assert labels(truth) == [["is_sport"], ["is_food"]]


@pytest.mark.parametrize(
    ("value", "what"), [("2", "neither 0 nor 1"), ("yes", "neither 0 nor 1"), ("", "a blank")]
)
def test_label_columns_of_other_values_are_refused_by_row(
    write: Write, value: str, what: str
) -> None:
    file = write("t.csv", f"text,is_sport,is_food\na,1,0\nb,0,{value}\n")
    with pytest.raises(DataError, match=f"row 1 holds {what} in column 'is_food'"):
        read_table(file, Columns(("text",), ("is_sport", "is_food")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[\n{"text": "secret"}\n]\n', "holds one JSON array"),
        ('\n[{"text": "secret"}]\n', "holds one JSON array"),
        ('{"text": "a"}\n{"text": "a", "text": "secret"}\n', "line 2 has two values for one name"),
        ('{"text": "a", "meta": {"b": 1, "b": 2}}\n', "line 1 has two values for one name"),
    ],
)
def test_jsonl_that_can_be_read_in_two_ways_is_refused(
    write: Write, content: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as refused:
        read_table(write("t.jsonl", content), COLUMNS)
    assert "secret" not in str(refused.value)


def test_blank_lines_of_jsonl_are_counted_and_marks_passed_over(write: Write) -> None:
    line = '{"text": "a", "label": "x"}\n'
    rows = read_table(write("t.jsonl", f"\ufeff{line}\n  \n\ufeff{line}"), COLUMNS)
    assert labels(rows) == ["x", "x"]
    assert rows.skipped == {"blank line": 2}


def test_labels_of_folders_are_separated_too(write: Write, tmp_path: Path) -> None:
    write("docs/food;sport/1.txt", "a")
    write("docs/food/2.txt", "b")
    rows = read_folder(tmp_path / "docs", ";")
    assert labels(rows) == [["food"], ["food", "sport"]]
