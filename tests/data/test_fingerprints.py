"""A file's bytes: unpacked and decoded by what they begin with, or refused with the next step."""

import codecs
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from docsort.core.errors import DataError
from docsort.data.fingerprints import open_text, refuse_bytes
from docsort.data.rows import Columns
from docsort.data.tables import read_table

Write = Callable[[str, str | bytes], str]
COLUMNS = Columns(("text",), ("label",))
MARKS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", MARKS)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'text,label\r\n"雪, é",a\r\n'),
        ("t.tsv", "text\tlabel\n雪, é\ta\n"),
        ("t.jsonl", '{"text": "雪, é", "label": "a"}\n'),
    ],
)
def test_encoding_is_told_by_the_first_bytes(
    write: Write, name: str, content: str, encoding: str, packed: bool
) -> None:
    coded = MARKS[encoding] + content.encode(encoding)
    rows = read_table(write(name, gzip.compress(coded) if packed else coded), COLUMNS)
    assert (rows.dataset["text"][:], rows.dataset["label"][:]) == (["雪, é"], ["a"])


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"PK\x03\x04\x14\0\x06\0", "as .xlsx and .ods are. To read it, save it as .csv"),
        (b"PAR1\x15\x04", "let its name end in .parquet"),
        (b"\x28\xb5\x2f\xfdsecret", "packed by zstd. To read it, unpack it"),
        (gzip.compress(gzip.compress(b"secret")), "packed twice by gzip"),
        (
            "text,label\nsecret".encode("utf-16-le"),
            "byte 1 is a NUL, which no text holds. If the "
            "file is UTF-16, convert it: iconv -f UTF-16LE",
        ),
        ("text,label\nsecret".encode("utf-16-be"), "iconv -f UTF-16BE"),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_the_next_step(
    write: Write, name: str, content: bytes, advice: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_table(write(name, content), COLUMNS)
    assert advice in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("end", [b"b", b"\0\xd8b\0"])
def test_a_cut_utf_16_file_is_refused_by_line(write: Write, end: bytes) -> None:
    path = Path(write("t.csv", codecs.BOM_UTF16_LE + b"a\0\n\0" + end))
    said = "is not UTF-16-LE: line 2, byte 6"
    with pytest.raises(DataError, match=said), open_text(path) as text:
        text.read()


def test_a_nul_in_the_midst_is_refused_by_line(write: Write) -> None:
    with pytest.raises(DataError, match="line 3, byte 21 is a NUL"):
        read_table(write("t.csv", b"text,label\na,b\nsecret\0,c\n"), COLUMNS)
    with pytest.raises(DataError, match="line 2, byte 4 is a NUL"):
        read_table(write("t.jsonl", b"{}\n{\0}\n"), COLUMNS)


@pytest.mark.parametrize("place", [0, 3, 4, 5, 7])
def test_the_bad_byte_is_found_across_blocks(
    write: Write, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr("docsort.data.fingerprints.BLOCK_BYTES", 4)
    content = bytearray(b"a\n\nb\ncdefg\n")
    content[place : place + 1] = b"\xe2\x82"  # the first two of a euro sign's three bytes
    line = bytes(content[:place]).count(b"\n") + 1
    path = Path(write("t.txt", bytes(content)))
    with pytest.raises(DataError, match=f"line {line}, byte {place}"):
        refuse_bytes(path)
    with pytest.raises(DataError, match=f"line {line}, byte {place}"), open_text(path) as text:
        text.read()
