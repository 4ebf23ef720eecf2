"""csv, tsv, jsonl and parquet read strictly: rows, columns, encodings, errors."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from docsort.core.errors import DataError
from docsort.data import file_formats
from docsort.data.row_writers import row_writer
from docsort.data.rows import Columns, Rows
from docsort.data.table_format import TableFormat
from docsort.data.tables import read_table

Write = Callable[[str, str | bytes], str]
COLUMNS = Columns(("text",), ("label",))


def records(rows: Rows) -> list[tuple[int, str, object]]:
    data = rows.dataset
    return list(zip(data["row"], data["text"], data["label"], strict=True))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'label,text\n01,"a, ""b""\nc"\n\n NA ,é\n'),
        ("t.tsv", 'label\ttext\n01\t"a, ""b""\nc"\nNA\té\n'),
        ("bom.csv", '\ufefftext,label\r\n"a, ""b""\nc",01\r\né,NA\r\n'),
        ("t.jsonl", '{"text": "a, \\"b\\"\\nc", "label": "01"}\n\n{"label": "NA", "text": "é"}\n'),
    ],
)
def test_values_come_through_as_written(write: Write, name: str, content: str) -> None:
    expected = [(0, 'a, "b"\nc', "01"), (1, "é", "NA")]
    assert records(read_table(write(name, content), COLUMNS)) == expected
    packed = write(name + ".gz", gzip.compress(content.encode()))
    assert records(read_table(packed, COLUMNS)) == expected


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"n": [7, 8], "body": ["a", None], "x": [1.5, 2.5]})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    rows = read_table(tmp_path / "t.parquet", Columns(("body",), ("n",)))
    assert records(rows) == [(0, "a", "7"), (1, "", "8")]
    assert rows.task == "single_label"


def test_label_lists_and_separators_make_it_multi_label(write: Write, tmp_path: Path) -> None:
    expected = [(0, "a", ["x", "y"]), (1, "b", []), (2, "c", None)]
    lines = '{"text":"a","label":["y","x","y"]}\n{"text":"b","label":[]}\n{"text":"c"}\n'
    from_json = read_table(write("t.jsonl", lines), COLUMNS)
    assert from_json.task == "multi_label"
    assert records(from_json) == expected
    table = pa.table({"text": ["a", "b", "c"], "label": [["y", "x"], [], None]})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    assert records(read_table(tmp_path / "t.parquet", COLUMNS)) == expected
    separated = read_table(write("t.csv", "text,label\na, y;x;\nb,\n"), COLUMNS, separator=";")
    assert records(separated) == [(0, "a", ["x", "y"]), (1, "b", None)]


def test_single_labels_among_lists_are_lists_of_one(write: Write) -> None:
    lines = '{"text":"a","label":"one"}\n{"text":"b","label":["two","one"]}\n'
    rows = read_table(write("t.jsonl", lines), COLUMNS)
    assert records(rows) == [(0, "a", ["one"]), (1, "b", ["one", "two"])]


def test_texts_of_parquet_that_are_not_utf8(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"\xff"], pa.binary()).view(pa.string())
    pa.parquet.write_table(pa.table({"text": texts, "label": ["x", "y"]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"'text' holds .* in the rows 0 to 1"):
        read_table(tmp_path / "t.parquet", COLUMNS)


def test_jsonl_takes_the_lists_that_parquet_takes(write: Write, tmp_path: Path) -> None:
    lines = '{"text":"a","label":["x",null]}\n{"text":"b","label":[null]}\n'
    table = pa.table({"text": ["a", "b"], "label": [["x", None], [None]]})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    from_json = records(read_table(write("t.jsonl", lines), COLUMNS))
    assert from_json == records(read_table(tmp_path / "t.parquet", COLUMNS))
    assert from_json == [(0, "a", ["x"]), (1, "b", None)]
    halves = read_table(write("half.jsonl", '{"text":"a","label":[0.5]}\n'), COLUMNS)
    assert records(halves) == [(0, "a", ["0.5"])]


def test_other_columns_are_read_under_our_names(write: Write) -> None:
    columns = Columns(("t",), ("l",), split="part", group="t", time="when")
    rows = read_table(write("t.csv", "t,l,part,when,z\na,b,test,2020,q\n"), columns)
    assert rows.dataset[0] == {
        "row": 0,
        "text": "a",
        "split": "test",
        "group": "a",
        "time": "2020",
        "label": "b",
    }


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_several_text_columns_are_joined_by_line(tmp_path: Path, name: str) -> None:
    table = pa.table(
        {
            "title": ["a", None, " ", "b"],
            "body": ["one", "two", "", None],
            "label": ["x", "x", "y", "y"],
        }
    )
    with row_writer(tmp_path / name)(tmp_path / name) as put:
        put(table)
    rows = read_table(tmp_path / name, Columns(("title", "body"), ("label",)))
    assert rows.dataset["text"][:] == ["a\none", "two", "", "b"]
    swapped = read_table(tmp_path / name, Columns(("body", "title"), ("label",)))
    assert swapped.dataset["text"][:] == ["one\na", "two", "", "b"]
    with pytest.raises(DataError, match=r"no column 'lead' \(data.text_column=\[title,lead\]\)"):
        read_table(tmp_path / name, Columns(("title", "lead"), ("label",)))


def test_rows_are_numbered_across_batches(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_formats, "BATCH_ROWS", 2)
    body = [f"text number {n}" for n in range(7)]
    csv = "text,label\n" + "".join(f"{text},a\n" for text in body)
    jsonl = "".join(f'{{"text": "{text}", "label": "a"}}\n' for text in body)
    expected = [(n, text, "a") for n, text in enumerate(body)]
    assert records(read_table(write("t.csv", csv), COLUMNS)) == expected
    assert records(read_table(write("t.jsonl", jsonl), COLUMNS)) == expected


def test_a_file_is_read_once_and_again_when_it_changes(write: Write, own_cache: Path) -> None:
    file = write("t.csv", "text,label\na,x\n")
    first = read_table(file, COLUMNS)
    again = read_table(file, COLUMNS)
    assert len(list(own_cache.iterdir())) == 1
    assert first.dataset._fingerprint == again.dataset._fingerprint
    write("t.csv", "text,label\nb,x\n")
    assert records(read_table(file, COLUMNS)) == [(0, "b", "x")]
    assert len(list(own_cache.iterdir())) == 2


def test_an_interrupted_reading_leaves_nothing(write: Write, own_cache: Path) -> None:
    with pytest.raises(DataError):
        read_table(write("t.csv", "text,label\na,x\nb,y,z\n"), COLUMNS)
    assert list(own_cache.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "is empty: it has no header"),
        ("t.csv", "text,label\n", "is empty: it has no rows"),
        ("t.jsonl", "\n", "is empty"),
        (
            "t.csv",
            "body,label\na,b\n",
            "no column 'text' (data.text_column=text). It has: 'body', 'l",
        ),
        ("t.csv", "text,text,label\na,b,c\n", "more than one column 'text'"),
        ("t.csv", "text,label\na,b\nsecret,c,d\n", "record 3 (the header is record 1) has 3"),
        ("t.csv", 'text,label\na,b\n"secret,c\n', "record 3"),
        ("t.jsonl", '{"text": "a", "label": "b"}\n{"text": secret}\n', "line 2 is not JSON"),
        ("t.csv", '\n\ntext,"label\na,' + "secret" * 30_000, "begins in line 3, opens a quotation"),
        ("t.jsonl", "\n" + '{"secret":' * 100_000, "line 2 can't be read: it nests too deeply"),
        ("t.jsonl", f'{{"secret": 1{"0" * 5_000}}}', "line 1 can't be read"),
        ("t.jsonl", "[1]\n", "holds one JSON array; jsonl holds one JSON object a line."),
        ("t.jsonl", '{"text": {"secret": 1}, "label": "b"}\n', "row 0 holds an object in"),
        (
            "t.jsonl",
            '{"text": "a", "label": [{"secret": 1}]}',
            "row 0 holds an object in a list in column 'label'",
        ),
        ("t.jsonl", '{"text": "secret \\ud800", "label": "b"}\n', "half a character"),
        ("t.xlsx", "secret", "its name must end in one of .csv, .tsv"),
        ("t.parquet", "secret", "not a whole parquet file"),
        ("t.csv.gz", "secret", "not a whole gzip file"),
        ("t.csv", "text,label\na,é\nb,€\n".encode("cp1252"), "not UTF-8: line 2, byte 13."),
    ],
)
def test_bad_files_are_told_without_their_text(
    write: Write, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_table(write(name, content), COLUMNS)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_truncated_gzip_file(write: Write) -> None:
    whole = gzip.compress(b"text,label\n" + b"a,b\n" * 1000)
    with pytest.raises(DataError, match="not a whole gzip file"):
        read_table(write("t.csv.gz", whole[:-20]), COLUMNS)


def test_a_missing_file_names_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read_table("sub/none.csv", COLUMNS)
    assert str(tmp_path / "sub/none.csv") in str(caught.value)
    assert "looked for sub/none.csv" in str(caught.value)
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path, COLUMNS)


def test_what_was_read_differently_is_not_taken_from_the_cache(write: Write) -> None:
    file = write("t.csv", "text,label,other\na,x;y,z\n")
    assert records(read_table(file, COLUMNS)) == [(0, "a", "x;y")]
    assert records(read_table(file, Columns(("other",), ("label",)))) == [(0, "z", "x;y")]
    assert records(read_table(file, COLUMNS, separator=";")) == [(0, "a", ["x", "y"])]
    assert records(read_table(file, COLUMNS, separator="|")) == [(0, "a", ["x;y"])]
    bare = TableFormat(quoting="none")
    quoted = write("q.csv", 'text,label\n"a",x\n\n')
    for _ in range(2):  # counts and notes are kept with the rows
        rows = read_table(quoted, COLUMNS)
        assert (records(rows), rows.skipped) == ([(0, "a", "x")], {"blank line": 1})
    assert records(read_table(quoted, COLUMNS, form=bare)) == [(0, '"a"', "x")]
    spoilt = write("s.csv", "text;label\na;x\n")
    for _ in range(2):
        assert read_table(spoilt, COLUMNS).notes == (
            "s.csv is read with a semicolon as its delimiter.",
        )


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(DataError, match="not a regular file"):
        read_table(tmp_path / "t.csv", COLUMNS)
