"""csv and tsv, by the letter of RFC 4180: the cells that Python's strict csv reads, or an error."""

import csv
import io
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docsort.core.errors import DataError
from docsort.data.plain_files import read_plain
from docsort.data.table_format import TableFormat

Write = Callable[[str, str | bytes], str]
STANDARD = TableFormat(quoting="standard")
BARE = TableFormat(quoting="none")
ESCAPED = TableFormat(escape="\\")


def cells(path: str | Path, form: TableFormat | None = None, column: str = "t") -> list[list[str]]:
    """The header and all rows."""
    file = read_plain(Path(path), form, (column,))
    rows = [
        list(row)
        for chunk in file.chunks(1000)
        for row in zip(*(each.to_pylist() for each in chunk.columns), strict=True)
    ]
    return [file.schema.names, *rows]


@pytest.mark.parametrize(
    ("content", "form", "expected"),
    [
        ('t,u\n"a, ""b"",\nc",d\n', None, [['a, "b",\nc', "d"]]),
        ("t,u\r\na,\r\n,b\r\n", None, [["a", ""], ["", "b"]]),
        ("t,u\ra,b\rc,d\r", None, [["a", "b"], ["c", "d"]]),  # line ends of old Macs
        ("t,u\na\rb,c\n", None, [["a\rb", "c"]]),  # as pandas writes it
        ('t,u\n"a\r\nb",c\nd\re,"f, g"\n', None, [["a\r\nb", "c"], ["d\re", "f, g"]]),
        ('t,u\r\n"a, b\nc",d\r\n', None, [["a, b\nc", "d"]]),
        ('t,u\na "b" c,d\n', None, [['a "b" c', "d"]]),
        ("\n\nt,u\n\na,b\n\n", None, [["a", "b"]]),
        ("t\na\n\nb\n\n", None, [["a"], [""], ["b"], [""]]),
        ('t,u\n"a,b"\n', BARE, [['"a', 'b"']]),
        ('t,u\n"a,b\nc"",d\n', BARE, [['"a', "b"], ['c""', "d"]]),
        ('t,u\n"a \\"b\\", c",d\n', ESCAPED, [['a "b", c', "d"]]),
        ("t,u\nC:\\new,\\N\n", ESCAPED, [["C:\\new", ""]]),
        (
            "t,u\na\\, b,c\\\nd\n",
            TableFormat(quoting="none", escape="\\"),
            [["a, b", "c\nd"]],
        ),
        ('t,u\n"a\\\r\nb",c\r\n', replace(ESCAPED, quoting="standard"), [["a\r\nb", "c"]]),
        ('t,u\r"a\nb",c\r', None, [["a\nb", "c"]]),
    ],
)
def test_records_are_read_as_they_are_written(
    write: Write, content: str, form: TableFormat | None, expected: list[list[str]]
) -> None:
    assert cells(write("t.csv", content), form)[1:] == expected


@pytest.mark.parametrize("form", [None, STANDARD])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('t,u\na,b\n"secret" c,d\n', "record 3, which begins in line 3, has text behind a closing"),
        ('t,u\n"a\nb",c\n"secret,d\n', "record 3, which begins in line 4, opens a quotation mark"),
        ('t,u\n"secret \\"a\\" b",c\n', 'data.escape="\\\\"'),
        ('t,u\n"secret" c,d\n', "data.quoting=none"),
        ("t,u\nsecret\\, a,b\n", "has 3 columns, not 2, in line 2. Quote values"),
        ("t,u\nsecret\\, a,b\n", 'data.escape="\\\\"'),
        ("t\nsecret\rb\nc\n", "has a carriage return"),
        ("t\nsecret, a\n", "Or name another delimiter: data.delimiter=CHARACTER"),
        ("t,u\rsecret\nb,c\r", "has a carriage return or a line feed that ends no line"),
    ],
)
def test_what_is_no_record_is_refused_by_number(
    write: Write, content: str, said: str, form: TableFormat | None
) -> None:
    with pytest.raises(DataError) as caught:
        cells(write("t.csv", content), form)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_line_feed_at_a_block_edge_is_kept(tmp_path: Path) -> None:
    """pyarrow.csv loses it: apache/arrow#51368."""
    edge = 16 << 20
    head = "id,t\r\n1,"
    text = "x" * (edge - len(head) - 2) + "\r\nend"
    (tmp_path / "t.csv").write_bytes(f'{head}"{text}"\r\n2,short\r\n'.encode())
    assert (tmp_path / "t.csv").read_bytes()[edge - 1 : edge + 1] == b"\r\n"
    assert cells(tmp_path / "t.csv")[1:] == [["1", text], ["2", "short"]]


_TEXT = st.text(st.sampled_from("ab ,;\t|\"\\\n\r'é雪#\x0b\x85\u2028"), max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    content=st.text(st.sampled_from('ab,"\n\r\\ '), max_size=40),
    delimiter=st.sampled_from(",b"),
)
def test_any_file_is_read_as_strict_csv_does_or_refused(content: str, delimiter: str) -> None:
    header = delimiter.join("tu")
    try:
        got = _cells_of(f"{header}\n{content}", TableFormat(delimiter=delimiter))
    except DataError:
        return
    stream = io.StringIO(content, newline="")
    try:
        expected = list(csv.reader(stream, delimiter=delimiter, strict=True))
    except csv.Error:
        expected = []
    rows = [record for record in expected if record]
    # at a carriage return alone csv.reader ends a record, where pandas leaves it in the text
    if all(len(record) == 2 for record in rows) and "\r" not in content.replace("\r\n", ""):
        assert got == rows


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(_TEXT, _TEXT, st.integers()), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)),
    line_end=st.sampled_from(("\n", "\r\n")),
)
def test_what_csv_writes_comes_back_or_is_refused_as_ambiguous(
    rows: list[tuple[str, str, int]], delimiter: str, quoting: int, line_end: str
) -> None:
    stream = io.StringIO()
    writer = csv.writer(
        stream,
        delimiter=delimiter,
        quoting=quoting,
        lineterminator=line_end,  # type: ignore[arg-type]
    )
    writer.writerows([("t", "u", "n"), *rows])
    expected = [[text, other, str(number)] for text, other, number in rows]
    assert _cells_of(stream.getvalue(), TableFormat(quoting="standard")) == expected
    try:
        unasked = _cells_of(stream.getvalue(), TableFormat())
    except DataError as error:
        if "can be read in two ways" not in str(error):
            raise
    else:
        assert unasked == expected


def _cells_of(content: str, form: TableFormat) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content.encode())
        try:
            return cells(path, form)[1:]
        except DataError as error:
            if "holds no rows" in str(error):
                return []
            raise


def test_batches_end_by_rows_or_characters(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docsort.data.file_formats.BATCH_ROWS", 3)
    monkeypatch.setattr("docsort.data.file_formats.BATCH_CHARACTERS", 20)
    rows = [[f"{number}", "x" * (number * 4 % 23)] for number in range(11)]
    content = "t,u\n" + "".join(",".join(row) + "\n" for row in rows)
    assert cells(write("t.csv", content))[1:] == rows
    assert list(
        itertools.chain(
            *(
                c["t"].to_pylist()
                for c in read_plain(Path(write("t.csv", content)), None, ("t",)).chunks(4)
            )
        )
    ) == [row[0] for row in rows]
