"""A source file's bytes: unpacked, and checked to be UTF-8. Parses nothing."""

import codecs
import gzip
from pathlib import Path
from typing import IO, cast

from docsort.core.errors import DataError

BLOCK_BYTES = 1 << 20


def open_plain(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked when its name ends in .gz or .GZ."""
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def check_utf8(path: Path) -> None:
    """Raises DataError naming line (1-based) and byte (0-based, of the unpacked file)."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    seen, lines = 0, 1
    try:
        with open_plain(path) as file:
            while True:
                block = file.read(BLOCK_BYTES)
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    offset = seen - pending + error.start
                    line = lines + block[: max(0, error.start - pending)].count(b"\n")
                    raise DataError(
                        f"{path.resolve()} is not UTF-8: line {line}, byte {offset}. Save it as "
                        "UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW."
                    ) from None
                if not block:
                    return
                seen += len(block)
                lines += block.count(b"\n")
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path.resolve()} is not a whole gzip file: {error}.") from None
