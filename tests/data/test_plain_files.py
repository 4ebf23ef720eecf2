"""Files of rows as they are: one schema for the whole file, every column kept, short errors."""

import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from docsort.core.errors import DataError
from docsort.data.plain_files import read_plain
from docsort.data.row_writers import check_names, row_writer
from docsort.data.rows import Columns
from docsort.data.tables import read_table

Write = Callable[[str, str | bytes], str]
UNALIKE: list[dict[str, object]] = [
    {"text": "a", "late": None},
    {"text": "b", "n": 1},
    {"text": None, "n": 2, "id": 7},
    {"id": "x", "text": "c", "big": 2**60, "huge": 2**80},
    {"text": "d", "late": "e", "meta": {"k": [1, {"z": "é"}]}, "tags": ["p", "q"], "ok": True},
    {"text": "e", "n": 0.5, "meta": {}, "tags": [], "huge": 1},
]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def copied(source: str, target: Path, num_rows: int = 1) -> Path:
    with row_writer(target)(target) as write:
        for table in read_plain(Path(source)).chunks(num_rows):
            write(table)
    return target


@pytest.mark.parametrize("num_rows", [1, 2, 100])
def test_jsonl_of_unalike_rows_comes_back_whole(
    write: Write, tmp_path: Path, num_rows: int
) -> None:
    target = copied(write("in.jsonl", lines(UNALIKE)), tmp_path / "out.jsonl", num_rows)
    given = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    names = ["text", "late", "n", "id", "big", "huge", "meta", "tags", "ok"]
    assert given == [{name: row.get(name) for name in names} for row in UNALIKE]
    assert list(given[0]) == names


def test_jsonl_of_unalike_rows_goes_into_parquet_and_csv(write: Write, tmp_path: Path) -> None:
    source = write("in.jsonl", lines(UNALIKE))
    table = pq.read_table(copied(source, tmp_path / "out.parquet"))
    assert table["late"].to_pylist() == [None, None, None, None, "e", None]
    assert table["n"].to_pylist() == [None, 1.0, 2.0, None, None, 0.5]
    assert table["big"].type == pa.int64()
    assert table["id"].to_pylist() == [None, None, "7", '"x"', None, None]
    assert table["tags"].to_pylist()[4:] == [["p", "q"], []]
    text = copied(source, tmp_path / "out.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "text,late,n,id,big,huge,meta,tags,ok"
    assert text.splitlines()[5] == 'd,e,,,,,"{""k"": [1, {""z"": ""é""}]}",p;q,True'


def test_a_parquet_of_any_types_can_be_written_as_jsonl(tmp_path: Path) -> None:
    when = datetime.datetime(2024, 5, 1, 12, 30)
    odd = {"text": ["a"], "when": [when], "raw": [b"x"], "nested": [[{"at": when, "n": None}]]}
    pq.write_table(pa.table(odd), tmp_path / "in.parquet")
    target = copied(str(tmp_path / "in.parquet"), tmp_path / "out.jsonl")
    row = json.loads(target.read_text(encoding="utf-8"))
    assert row["when"] == str(when)
    assert row["nested"] == [{"at": str(when), "n": None}]
    cells = copied(str(tmp_path / "in.parquet"), tmp_path / "out.csv").read_text(encoding="utf-8")
    assert "2024-05-01 12:30:00" in cells


@pytest.mark.parametrize("num_rows", [1, 7, 1000])
def test_parquet_chunks_are_even_whatever_the_row_groups(tmp_path: Path, num_rows: int) -> None:
    table = pa.table({"text": [str(i) for i in range(20)], "b": pa.array([None] * 20, pa.null())})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    file = read_plain(tmp_path / "in.parquet")
    chunks = list(file.chunks(num_rows))
    assert {len(chunk) for chunk in chunks[:-1]} <= {num_rows}
    assert pa.concat_tables(chunks).equals(table)
    assert file.num_rows == 20


@pytest.mark.parametrize("name", ["csv", "tsv", "jsonl", "parquet"])
def test_packed_files_are_read_and_written(write: Write, tmp_path: Path, name: str) -> None:
    source = write("in.jsonl.gz", gzip.compress(lines([{"text": "é\n,", "n": "01"}] * 3).encode()))
    packed = copied(source, tmp_path / f"out.{name}.gz")
    assert packed.read_bytes()[:2] == b"\x1f\x8b"
    [again] = read_plain(packed).chunks(100)
    assert again.to_pylist() == [{"text": "é\n,", "n": "01"}] * 3


def test_a_name_in_capitals_is_packed_too(tmp_path: Path) -> None:
    (tmp_path / "in.CSV.GZ").write_bytes(gzip.compress(b"text\na\n"))
    packed = copied(str(tmp_path / "in.CSV.GZ"), tmp_path / "out.JSONL.GZ")
    [again] = read_plain(packed).chunks(100)
    assert again.to_pylist() == [{"text": "a"}]


def test_cells_of_csv_stay_as_they_are(write: Write, tmp_path: Path) -> None:
    content = 'text,,n\r\n" a ""b""\r\nc",,007\r\nNULL,NA,1e3\r\n'
    target = copied(write("in.csv", "\ufeff" + content), tmp_path / "out.csv")
    assert target.read_bytes().decode() == content


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("in.csv", "text,a\nb,1\nSECRET,1,2\n", "record 3 (the header is record 1) has 3 columns"),
        ("in.csv", 'text,a\n"SECRET,1\n', ""),
        ("in.csv", "text\n", "no rows"),
        ("in.jsonl", "\n", "no rows"),
        ("in.jsonl", '{"text": "a"}\n\n{"text": SECRET}\n', "line 3 is not JSON"),
        ("in.jsonl", '{"text": "a"}\n["SECRET"]\n', "line 2 is not a JSON object"),
        ("in.jsonl", '{"text": "SECRET \\ud800"}\n', "line 1 holds half a character"),
        ("in.jsonl", '{"text": ' + "9" * 5000 + "}\n", "line 1 can't be read"),
        ("in.jsonl.gz", "SECRET", "gzip"),
        ("in.parquet", "PAR1 SECRET", "not a whole parquet"),
        ("in.xls", "SECRET", ".parquet"),
    ],
)
def test_refused_without_a_word_of_the_file(
    write: Write, name: str, content: str, said: str
) -> None:
    with pytest.raises(DataError) as refused:
        read_plain(Path(write(name, content)))
    assert said in str(refused.value)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_unnamed_and_doubled_columns_pass_through(write: Write, tmp_path: Path, kind: str) -> None:
    source = write("in.csv", "v1,text,,,v1\r\n1,b,3,,5\r\n")
    passed = copied(source, tmp_path / f"out.{kind}")
    back = copied(str(passed), tmp_path / "back.csv")
    assert back.read_bytes() == Path(source).read_bytes()
    with pytest.raises(DataError, match="more than one column 'v1'"):
        read_plain(passed).check_texts(("v1",))
    with pytest.raises(DataError, match=r"in jsonl, columns have different names.*'v1', ''"):
        check_names(tmp_path / "out.jsonl", read_plain(passed).schema.names)


@pytest.mark.parametrize("nested", [False, True])
def test_a_parquets_texts_that_are_not_utf8_are_refused(tmp_path: Path, nested: bool) -> None:
    cells = [b"SECRET"] * 10_000 + [b"SECRET \xff"]
    texts = pa.array(cells, pa.binary()).view(pa.string())
    if nested:
        texts = pa.ListArray.from_arrays(range(len(cells) + 1), texts)
    pq.write_table(pa.table({"id": range(len(cells)), "text": texts}), tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"'text' holds .* in the rows 10000 to 10000") as refused:
        read_plain(tmp_path / "in.parquet")
    assert "SECRET" not in str(refused.value)


def test_a_cut_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a" * 50] * 500}), tmp_path / "in.parquet")
    content = bytearray((tmp_path / "in.parquet").read_bytes())
    content[4:40] = b"\xff" * 36
    (tmp_path / "in.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"in\.parquet cannot be read as parquet"):
        read_plain(tmp_path / "in.parquet")


def test_an_errors_columns_are_few_and_short(write: Write) -> None:
    header = ",".join(f"{i:03} " + "word" * 9 for i in range(200))
    file = read_plain(Path(write("in.csv", header + "\n" + "," * 199 + "\n")))
    with pytest.raises(DataError, match=r"no column 'text'.* more") as refused:
        file.check_texts(("text",))
    assert len(str(refused.value).removeprefix(str(file.path))) < 800


@pytest.mark.parametrize("value", [["a"], {"a": 1}, [1, "a"]])
def test_values_that_are_no_text_are_refused_before_scoring(write: Write, value: object) -> None:
    file = read_plain(Path(write("in.jsonl", lines([{"text": None}, {"text": value}]))))
    with pytest.raises(DataError, match=r"row 1 holds .* in column 'text'"):
        file.check_texts(("text",))


def test_documents_are_those_that_training_reads(write: Write, tmp_path: Path) -> None:
    values = [1, 1.0, 2.5, True, "x", None, float("nan")]
    content = [{"text": value, "label": "a"} for value in values]
    source = write("in.jsonl", "".join(json.dumps(row) + "\n" for row in content))
    file = read_plain(Path(source))
    file.check_texts(("text",))
    learned = read_table(source, Columns(("text",), ("label",))).dataset["text"][:]
    assert list(file.texts(("text",), 3)) == [learned[:3], learned[3:6], learned[6:]]
    assert learned == ["1", "1", "2.5", "true", "x", "", ""]


def test_documents_of_several_columns_are_joined(write: Write) -> None:
    file = read_plain(Path(write("in.csv", "title,body\na,b\n,c\n")), None, ("title", "body"))
    assert list(file.texts(("title", "body"), 10)) == [["a\nb", "c"]]
