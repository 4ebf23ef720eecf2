"""The first record of a csv or tsv: which delimiter, which columns, header or data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docsort.core.errors import ConfigError, DataError
from docsort.data.header import open_delimited
from docsort.data.table_format import TableFormat

Write = Callable[[str, str | bytes], str]
WANTED = ("text", "label")


@pytest.mark.parametrize(
    ("name", "content", "form", "delimiter", "noted"),
    [
        ("t.csv", "text,label\n", {}, ",", False),
        ("t.tsv", "text\tlabel\n", {}, "\t", False),
        ("t.csv", "text;label\n", {}, ";", True),
        ("t.csv", '"text";"label"\n', {}, ";", True),
        ("t.csv", "text\tlabel\n", {}, "\t", True),
        ("t.tsv", "text|label\n", {}, "|", True),
        ("t.tsv", "text,label\n", {}, ",", True),
        ("t.csv", "sep=;\r\ntext;label\r\n", {}, ";", False),
        ("t.csv", "sep=^\ntext^label\n", {}, "^", False),
        ("t.csv", "text^label\n", {"delimiter": "^"}, "^", False),
        ("t.csv", "text\tlabel\n", {"delimiter": "\\t"}, "\t", False),
    ],
)
def test_delimiter_is_found_by_the_wanted_columns(
    write: Write, name: str, content: str, form: dict[str, str], delimiter: str, noted: bool
) -> None:
    given = TableFormat(**form)  # type: ignore[arg-type]
    file = open_delimited(Path(write(name, content)), name[-4:], given, WANTED)
    assert (file.delimiter, file.names) == (delimiter, WANTED)
    assert bool(file.notes) == noted


@pytest.mark.parametrize(
    ("content", "form", "said"),
    [
        (
            "text^label\na^b\n",
            {},
            "one column only. Name the delimiter that the file has: data.del",
        ),
        ("text,label\na,b\n", {"delimiter": ";"}, "Under the delimiter ';' it has one column"),
        ("2,patient secret\n", {}, "looks like data"),
        ("secret and four words more,x\n", {}, "looks like data"),
        ("secret,pos\ngood,neg\nbad,pos\n", {}, "data.header=false, and name columns by number"),
        ("secret;pos\ngood;neg\nbad;pos\n", {"delimiter": ";"}, "looks like data"),
        ("", {}, "is empty: it has no header"),
        ("sep=;\n", {}, "is empty: it has no header"),
    ],
)
def test_a_first_line_without_the_columns_is_refused_unquoted(
    write: Write, content: str, form: dict[str, str], said: str
) -> None:
    with pytest.raises(DataError) as caught:
        open_delimited(Path(write("t.csv", content)), ".csv", TableFormat(**form), WANTED)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_names_without_the_wanted_ones_are_returned_to_be_listed(write: Write) -> None:
    path = Path(write("t.csv", "title,class\na,b\n"))
    assert open_delimited(path, ".csv", TableFormat(), WANTED).names == ("title", "class")


@pytest.mark.parametrize(
    ("content", "wanted", "names", "delimiter"),
    [
        ("1,a b\n2,c\n", ("1", "0"), ("0", "1"), ","),
        ("1;a b\n2;c\n", ("1", "0"), ("0", "1"), ";"),
        ("a b\nc\n", ("0",), ("0",), ","),
    ],
)
def test_without_a_header_columns_have_numbers(
    write: Write, content: str, wanted: tuple[str, ...], names: tuple[str, ...], delimiter: str
) -> None:
    form = TableFormat(header=False)
    file = open_delimited(Path(write("t.csv", content)), ".csv", form, wanted)
    assert (file.names, file.delimiter) == (names, delimiter)
    assert [record.number for record in file.records()] == [1, 2]


def test_without_a_header_one_column_that_may_be_two_is_refused(write: Write) -> None:
    form = TableFormat(header=False)
    with pytest.raises(DataError, match="in one column, or in 2 with a semicolon"):
        open_delimited(Path(write("t.csv", "a;b\nc;d\n")), ".csv", form, ("0",))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("delimiter", ""),
        ("delimiter", "||"),
        ("delimiter", '"'),
        ("delimiter", 1),
        ("quoting", "some"),
        ("escape", "/"),
        ("header", "no"),
    ],
)
def test_a_format_that_cannot_be_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"data\.{key}=.* is not accepted; give "):
        TableFormat(**{key: value})  # type: ignore[arg-type]
    if key != "header":
        with pytest.raises(ConfigError, match=f"--{key} .* is not accepted; give "):
            TableFormat(**{key: value}, as_options=True)  # type: ignore[arg-type]
