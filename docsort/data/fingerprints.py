"""A source file's bytes: unpacked, decoded by what its first bytes tell. Parses nothing."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn, cast

from docsort.core.errors import DataError

BLOCK_BYTES = 1 << 20
GZIP = b"\x1f\x8b"
# UTF-32 before UTF-16, whose mark it begins with.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAVE_AS = "save it as .csv or .tsv"
_UNPACK = "unpack it"
_NO_TEXT = (
    (b"PK\x03\x04", "a zip file, as .xlsx and .ods are", f"{_SAVE_AS}, or {_UNPACK}"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel file (.xls)", _SAVE_AS),
    (b"PAR1", "a parquet file", "let its name end in .parquet"),
    (b"ARROW1", "an Arrow file", "save it as .parquet"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as .csv"),
    (b"%PDF-", "a PDF", _SAVE_AS),
    (GZIP, "packed twice by gzip", f"{_UNPACK} once"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", _UNPACK),
    (b"BZh91AY&SY", "packed by bzip2", _UNPACK),
    (b"\xfd7zXZ\0", "packed by xz", _UNPACK),
)


@contextmanager
def open_plain(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where its name ends in .gz or its first bytes say gzip."""
    try:
        with path.open("rb") as raw:
            packed = path.suffix.lower() == ".gz" or raw.peek(2)[:2] == GZIP
        with gzip.open(path) if packed else path.open("rb", BLOCK_BYTES) as plain:
            yield cast(IO[bytes], plain)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}.") from None


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """The file's text: UTF-8, or what its byte order mark says. Lines keep their ends.

    Lines end by a line feed, or by a carriage return where the first line ends by it alone.

    Raises:
        DataError: the bytes are not of the encoding, or are no text at all.
    """
    with open_plain(path) as raw:
        encoding = _past_mark(raw, path)
        beginning = cast(io.BufferedReader, raw).peek(1).decode(encoding, "ignore")
        first_end = re.search(r"\r\n?|\n", beginning)
        newline = "\r" if first_end and first_end[0] == "\r" else "\n"
        with io.TextIOWrapper(raw, encoding, newline=newline) as text:
            try:
                yield text
            except UnicodeDecodeError:
                refuse_bytes(path)


def refuse_bytes(path: Path) -> NoReturn:
    """Raises DataError naming line (1-based) and byte (0-based, unpacked) of what is no text."""
    with open_plain(path) as raw:
        encoding = _past_mark(raw, path)
        decoder = codecs.getincrementaldecoder(encoding)()
        first, line = raw.tell(), 1
        while True:
            block = raw.read(BLOCK_BYTES)
            first -= len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].decode(encoding, "ignore").count("\n")
                raise DataError(_undecodable(path, encoding, line, first + error.start)) from None
            before, nul, _ = text.partition("\0")
            line += before.count("\n")
            if nul or not block:
                place = first + len(before.encode(encoding))
                raise DataError(_nul(path, encoding, line, place))
            first = raw.tell()


def _past_mark(raw: IO[bytes], path: Path) -> str:
    """The encoding by the first bytes, of which a byte order mark is read."""
    head = cast(io.BufferedReader, raw).peek(16)
    for magic, what, advice in _NO_TEXT:
        if head.startswith(magic):
            raise DataError(f"{path} is no text: it is {what}. To read it, {advice}.")
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            raw.read(len(mark))
            return encoding
    return "utf-8"


def _undecodable(path: Path, encoding: str, line: int, byte: int) -> str:
    what = f"{path} is not {encoding.upper()}: line {line}, byte {byte}."
    if encoding != "utf-8":
        return f"{what} Its first bytes say that it is. Is the file whole? Save it as UTF-8."
    return f"{what} Save it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW."


def _nul(path: Path, encoding: str, line: int, byte: int) -> str:
    what = f"{path}: line {line}, byte {byte} is a NUL, which no text holds."
    if encoding != "utf-8":
        return what
    order = "LE" if byte % 2 else "BE"
    return f"{what} If the file is UTF-16, convert it: iconv -f UTF-16{order} -t UTF-8 FILE > NEW."
