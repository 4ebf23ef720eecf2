"""Random tables of which the cells are known, by many writers: read right, refused, or wrong.

    python -m benchmarks.random_tables [--tables 2000] [--seed 1]

Prints a line for each writer. Exits with 1 where a cell is wrong, or where a table of a standard
writer (csv, pandas, pyarrow, Excel) is refused that can be read in one way only. The other writers
quote by no rule, or escape: their tables may be refused, and are read right once the user says how
they are written.
"""

import argparse
import csv
import gzip
import io
import itertools
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from docsort.core.errors import DataError
from docsort.data.plain_files import read_plain
from docsort.data.table_format import TableFormat

Rows = list[list[str]]
WORDS = [
    "the",
    "goal",
    "coach",
    "soup",
    "bread",
    "river",
    "7",
    '5"',
    "naïve",
    "雪",
    "it's",
    "12.50",
    "Über-all",
    "C:\\new",
    "a/b",
    "#tag",
]
LABELS = ("sport", "food", "2", "NA", "")
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells and how they are written.

    Attributes:
        names: of the columns.
        rows: the true cells.
        delimiter: one character.
        line_end: of every record.
        header: whether the names are written.
    """

    names: list[str]
    rows: Rows
    delimiter: str
    line_end: str
    header: bool

    def records(self) -> Rows:
        """The rows, with the names first where they are written."""
        return [self.names, *self.rows] if self.header else self.rows


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A program that writes tables.

    Attributes:
        write: the table's text.
        specials: what its texts may hold.
        standard: whether its tables must be read without a word about how they are written.
        told: what the user says of its tables, when asked.
    """

    write: Callable[[Table, random.Random], str]
    specials: str
    standard: bool = False
    told: dict[str, str] | None = None


def by_csv(quoting: int) -> Callable[[Table, random.Random], str]:
    """Python's csv."""

    def write(table: Table, _: random.Random) -> str:
        stream = io.StringIO()
        writer = csv.writer(
            stream,
            delimiter=table.delimiter,
            quoting=quoting,  # type: ignore[arg-type]
            lineterminator=table.line_end,
        )
        writer.writerows(map(numbers, table.records()) if quoting else table.records())
        return stream.getvalue()

    return write


def by_pandas(table: Table, rng: random.Random) -> str:
    frame = pd.DataFrame(table.rows, columns=table.names, dtype=object)
    frame = frame.where(frame != "", None)
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC))
    text: str = frame.to_csv(
        index=False,
        sep=table.delimiter,
        header=table.header,
        quoting=quoting,  # type: ignore[arg-type]
        lineterminator=table.line_end,
    )
    return text


def by_pyarrow(table: Table, rng: random.Random) -> str:
    columns = zip(*table.rows, strict=True)
    arrays = [pa.array([cell or rng.choice((None, "")) for cell in column]) for column in columns]
    stream = io.BytesIO()
    pa.csv.write_csv(
        pa.Table.from_arrays(arrays, table.names),
        stream,
        pa.csv.WriteOptions(
            include_header=table.header,
            delimiter=table.delimiter,
            quoting_style=rng.choice(("needed", "all_valid")),
        ),
    )
    return stream.getvalue().decode()


def by_excel(table: Table, rng: random.Random) -> str:
    """Commas are a reason for it to quote with any delimiter."""
    special = set(table.delimiter + ',"\n\r')
    lines = [
        table.delimiter.join(quoted(cell) if special & set(cell) else cell for cell in record)
        for record in table.records()
    ]
    told = f"sep={table.delimiter}\r\n" if rng.random() < 0.3 else ""
    return told + "".join(f"{line}\r\n" for line in lines)


def bare(table: Table, _: random.Random) -> str:
    """No quoting: quotation marks are characters."""
    lines = (table.delimiter.join(record) for record in table.records())
    return "".join(line + table.line_end for line in lines)


def undoubled(table: Table, _: random.Random) -> str:
    """Quoted where need be, but marks inside are left alone."""
    special = set(table.delimiter + "\n\r")
    return joined(table, lambda cell: f'"{cell}"' if special & set(cell) else cell)


def by_hand(table: Table, rng: random.Random) -> str:
    special = set(table.delimiter + '"\n\r')
    return joined(
        table, lambda cell: quoted(cell) if special & set(cell) or rng.random() < 0.2 else cell
    )


def by_spark(table: Table, _: random.Random) -> str:
    special = set(table.delimiter + '"\n\r')
    return joined(table, lambda cell: escaped(cell) if special & set(cell) else cell)


def by_r(table: Table, _: random.Random) -> str:
    """write.table: texts are quoted, numbers and NA are not."""
    return joined(table, lambda cell: cell if cell in ("NA", "2") else escaped(cell))


def by_mysql(table: Table, _: random.Random) -> str:
    r"""SELECT INTO OUTFILE: nothing is quoted; backslashes before tabs, line feeds, backslashes."""
    escapes = {"\\": "\\\\", table.delimiter: f"\\{table.delimiter}", "\n": "\\\n"}
    records = ([cell.translate(str.maketrans(escapes)) or "\\N" for cell in r] for r in table.rows)
    lines = (table.delimiter.join(record) for record in records)
    head = table.delimiter.join(table.names) + "\n" if table.header else ""
    return head + "".join(f"{line}\n" for line in lines)


def joined(table: Table, written: Callable[[str], str]) -> str:
    lines = (table.delimiter.join(map(written, record)) for record in table.records())
    return "".join(line + table.line_end for line in lines)


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def escaped(cell: str) -> str:
    return '"' + cell.replace('"', '\\"') + '"'


def numbers(record: list[str]) -> list[object]:
    return [int(cell) if cell.isdecimal() and cell.isascii() else cell for cell in record]


ALL = 'q"wsc,;|\t\\neb'
WRITERS = {
    "csv QUOTE_MINIMAL": Writer(write=by_csv(csv.QUOTE_MINIMAL), specials=ALL, standard=True),
    "csv QUOTE_ALL": Writer(write=by_csv(csv.QUOTE_ALL), specials=ALL, standard=True),
    "csv QUOTE_NONNUMERIC": Writer(write=by_csv(csv.QUOTE_NONNUMERIC), specials=ALL, standard=True),
    "csv QUOTE_NONE": Writer(write=by_csv(csv.QUOTE_NONE), specials="se", standard=True),
    "pandas": Writer(write=by_pandas, specials=ALL, standard=True),
    "pyarrow": Writer(write=by_pyarrow, specials=ALL, standard=True),
    "Excel": Writer(write=by_excel, specials=ALL.replace("\\", ""), standard=True),
    "no quoting": Writer(write=bare, specials='"wse', told={"quoting": "none"}),
    "marks not doubled": Writer(write=undoubled, specials=ALL),
    "quoted by hand": Writer(write=by_hand, specials=ALL, told={"quoting": "standard"}),
    "Spark": Writer(write=by_spark, specials='"wsc,\tnb', told={"escape": "\\"}),
    "R write.table": Writer(write=by_r, specials='"wsc,\tnb', told={"escape": "\\"}),
    "MySQL": Writer(write=by_mysql, specials='"wsc\t\\', told={"quoting": "none", "escape": "\\"}),
}


def random_text(rng: random.Random, specials: str, delimiter: str) -> str:
    """Some words, now and then with one of the specials."""
    words = rng.choices(WORDS, k=rng.randint(1, 9))
    if "," not in specials:
        words = [word.replace('5"', 'five"' if '"' in specials else "five") for word in words]
    place = rng.randrange(len(words))
    part = " ".join(words[place:])
    changes = {
        '"': f'"{part}',
        "w": f'"{part}"' if '"' in specials else part,
        "q": f'say "{part}" now',
        "s": f"{part} ",
        "c": f"{part}{delimiter} and",
        ",": f"{part}, and",
        ";": f"{part}; and",
        "|": f"{part} | and",
        "\t": f"{part}\tand",
        "\\": f"{part}\\",
        "n": f"{part}{rng.choice(chr(10) + chr(13))}\n and",
        "e": "",
        "b": 'say \\"so\\"' if "b" in specials and "\\" in specials else part,
    }
    if rng.random() < 0.25:
        change = changes[rng.choice(specials)]
        return " ".join([*words[:place], change]).strip(" ") if change else ""
    return " ".join(words)


def random_table(rng: random.Random, writer: Writer) -> Table:
    """Of one to four columns."""
    width = rng.choice((1, 2, 2, 3, 4))
    # of one column, only the file's ending tells the delimiter
    delimiter = rng.choice(DELIMITERS if width > 1 else ",\t")
    names = ["text", "label", "id", "note"][:width]
    makers: list[Callable[[int], str]] = [
        lambda _: random_text(rng, writer.specials, delimiter),
        lambda _: rng.choice(LABELS),
        str,
        lambda _: random_text(rng, writer.specials, delimiter),
    ]
    # one text in quotation marks, and no other, is quoted for all that the file tells
    count = rng.choice((1, 3, 10, 40) if writer.standard else (10, 40))
    rows = [[make(number) for make in makers[:width]] for number in range(count)]
    if width == 1:  # where csv leaves a carriage return unquoted, it may be the end of a line
        rows = [[cell.replace("\r", "\n") or "none"] for (cell,) in rows]
    order = rng.sample(range(width), width)
    return Table(
        names=[names[place] for place in order],
        rows=[[row[place] for place in order] for row in rows],
        delimiter=delimiter,
        line_end=rng.choice(("\n", "\r\n")),
        header=rng.random() < 0.8,
    )


def unescaped(rows: Rows) -> Rows:
    r"""MySQL's cells where nobody said that backslashes escape: ``\\`` is in many a true text."""
    return [["" if cell == "\\N" else cell.replace("\\\\", "\\") for cell in row] for row in rows]


def outcome(path: Path, table: Table, form: TableFormat) -> str:
    """ "read", "wrong", or "refused"."""
    columns = ("text",) if table.header else (str(table.names.index("text")),)
    try:
        file = read_plain(path, form, columns)
        chunks = list(file.chunks(1000))
    except DataError:
        return "refused"
    rows = [
        list(row)
        for chunk in chunks
        for row in zip(*(column.to_pylist() for column in chunk.columns), strict=True)
    ]
    return "read" if table.rows in (rows, unescaped(rows)) else "wrong"


def has_another_reading(text: str, table: Table) -> bool:
    """Whether every line, or a reading with escapes, has as many cells as there are columns."""
    lines = [line for line in text.split("\n") if line.strip("\r")]
    width = len(table.names)
    if all(
        line.count(table.delimiter) == width - 1 for line in lines if not line.startswith("sep=")
    ):
        return '"' in text
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=table.delimiter, escapechar="\\", strict=True)
    try:
        return "\\" in text and all(len(record) in (0, width) for record in reader)
    except csv.Error:
        return False


def trial(seed: int, name: str, folder: Path) -> tuple[str, str]:
    """What one table comes to: unasked, and after the user was asked ("" where there is none)."""
    rng, writer = random.Random(f"{seed} {name}"), WRITERS[name]
    table = random_table(rng, writer)
    if not table.rows or not any(map(any, table.rows)):
        return "", ""
    text = writer.write(table, rng)
    content = text.encode(rng.choice(ENCODINGS))
    if rng.random() < 0.1:
        content = gzip.compress(content)
    path = folder / f"table{seed}{'.tsv' if table.delimiter == chr(9) else '.csv'}"
    path.write_bytes(content)
    known = {} if table.header else {"delimiter": table.delimiter}
    found = outcome(path, table, TableFormat(header=table.header, **known))  # type: ignore[arg-type]
    if found == "refused" and writer.standard and has_another_reading(text, table):
        found = "ambiguous"
    told = ""
    if writer.told and found != "read":
        told = outcome(path, table, TableFormat(header=table.header, **{**known, **writer.told}))  # type: ignore[arg-type]
    if "wrong" not in (found, told) and not (found == "refused" and writer.standard):
        path.unlink()
    return found, told


def main() -> None:
    """Try the tables; print what they came to."""
    parser = argparse.ArgumentParser("python -m benchmarks.random_tables")
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where tables that fail are left")
    arguments = parser.parse_args()
    counts: dict[str, Counter[str]] = {name: Counter() for name in WRITERS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        for number, name in zip(range(arguments.tables), itertools.cycle(WRITERS), strict=False):
            found, told = trial(arguments.seed * 1_000_000 + number, name, folder)
            counts[name][found] += 1
            if told:
                counts[name][f"told: {told}"] += 1
    for name, count in counts.items():
        told = ", ".join(f"{what} {number}" for what, number in sorted(count.items()) if what)
        print(f"{name:20}  {told}")
    bad = sum(count["wrong"] + count["told: wrong"] for count in counts.values())
    refused = sum(counts[name]["refused"] for name, writer in WRITERS.items() if writer.standard)
    print(f"{bad} tables wrong, {refused} tables of standard writers refused")
    sys.exit(bool(bad or refused))


if __name__ == "__main__":
    main()
