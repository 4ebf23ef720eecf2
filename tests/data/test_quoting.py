"""Tables that can be read in more than one way are refused, and those of programs are read."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import random_tables
from docsort.core.errors import DataError
from docsort.data.plain_files import read_plain
from docsort.data.rows import Columns
from docsort.data.table_format import TableFormat
from docsort.data.tables import read_table

Write = Callable[[str, str | bytes], str]


def read(path: str, **form: str) -> list[str | None]:
    file = read_plain(Path(path), TableFormat(**form), ("t",))  # type: ignore[arg-type]
    return [text for texts in file.texts(("t",), 1000) for text in texts]


@pytest.mark.parametrize(
    ("content", "said", "standard"),
    [
        # a text in quotation marks beside bare ones: nobody quotes so
        (
            't\tu\none\ta\n"two"\tb\n',
            "the text of record 3 is in quotation marks that it does not need, and that of "
            "record 2 is not",
            ["one", "two"],
        ),
        ('t\tu\nsay "so"\ta\n"say ""so"""\tb\n', "record 3 is in", ['say "so"', 'say "so"']),
        ('t,u\n"12.5",a\nbare,b\n', "record 2 is in quotation marks", ["12.5", "bare"]),
        ('t\tu\n"a, b"\tc\nd, e\tf\n', "record 2 is in quotation marks", ["a, b", "d, e"]),
        # rows that are swallowed if quotation marks enclose cells
        (
            'u\tt\n1\ta\n2\t"b\n3\tc"\n4\td\n',
            "record 3 has line breaks inside quotation marks",
            ["a", "b\n3\tc", "d"],
        ),
        # backslashes that may escape
        ('t,u\n"a\\",b\nc",d\n', 'or escape what follows (data.escape="\\\\")', None),
        ('t\tu\nsay \\"so\\"\ta\n', "from record 2 on, backslashes", ['say \\"so\\"']),
        ("u\tt\n1\tone \\\ntwo\\\t2\n", "from record 2 on", None),
    ],
)
def test_another_reading_is_refused_until_one_is_chosen(
    write: Write, content: str, said: str, standard: list[str] | None
) -> None:
    path = write("in.tsv" if "\t" in content else "in.csv", content)
    with pytest.raises(DataError) as caught:
        read(path)
    assert said in str(caught.value) or standard is None
    if standard:
        assert "data.quoting=standard" in str(caught.value)
        assert read(path, quoting="standard") == standard


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        # quoted by rule: all texts, but not numbers and missing values
        ('u\tt\n1\t"a"\nNA\t"b\n3\tc"\n', ["a", "b\n3\tc"]),
        ('t,u\n"a",1\n7,2\n,3\nNA,4\n', ["a", "7", "", "NA"]),
        # quoted for what they hold: by Excel, by Commons CSV, and for spaces at the ends
        ('t\tu\n"a, b"\tc\nd\tf\n', ["a, b", "d"]),
        ('t,u\n"#a",c\n" b ",c\nd,f\n', ["#a", " b ", "d"]),
        # one reading only
        ('t,u\n"a, b,\nc",d\ne,f\n', ["a, b,\nc", "e"]),
        ('t,u\n"a\\""b",c\nC:\\,d\n', ['a\\"b', "C:\\"]),
        ('t\n"a\nb"\nc\n', ["a\nb", "c"]),
        ('t,u\r\n"a\rb",c\r\nd,e\r\n', ["a\rb", "d"]),
    ],
)
def test_a_table_that_quotes_by_rule_is_read(write: Write, content: str, texts: list[str]) -> None:
    assert read(write("in.tsv" if "\t" in content else "in.csv", content)) == texts


def test_rows_of_a_refused_table_are_not_kept(write: Write, own_cache: Path) -> None:
    path = write("in.csv", 't,u\none,a\n"two",b\n')
    with pytest.raises(DataError, match="in two ways"):
        read_table(path, Columns(("t",), ("u",)))
    assert list(own_cache.iterdir()) == []
    rows = read_table(path, Columns(("t",), ("u",)), form=TableFormat(quoting="none"))
    assert rows.dataset["text"][:] == ["one", '"two"']


@pytest.mark.parametrize("name", random_tables.WRITERS)
def test_random_tables_are_never_read_wrong(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = [random_tables.trial(seed, name, Path(folder)) for seed in range(8)]
    assert "wrong" not in {outcome for both in found for outcome in both}
    if random_tables.WRITERS[name].standard:
        assert {unasked for unasked, _ in found} <= {"read", "ambiguous", ""}
    else:
        assert {asked for _, asked in found} <= {"read", ""}
