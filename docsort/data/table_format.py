"""How a csv or tsv is written: delimiter, quoting, escapes, header. Reads no file."""

import csv
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from docsort.core.errors import ConfigError
from docsort.data.values import tab_of

Quoting = Literal["auto", "standard", "none"]
# By the name's ending. A file whose header lacks the wanted columns is tried with the others.
DELIMITERS = {".csv": ",", ".tsv": "\t"}
OTHER_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True, kw_only=True)
class TableFormat:
    """What the user says of a csv or tsv. Raises ConfigError.

    Attributes:
        delimiter: one character; None: found by the header.
        quoting: "standard": RFC 4180. "none": every line is a record, quotation marks are
            characters. "auto": standard, and a file that can be read in more than one way is
            refused.
        escape: a backslash where the file writes ``\\"`` for a quotation mark in a cell, else None.
        header: whether the first record names the columns; else they are "0", "1", and so on.
        as_options: whether messages name the settings as options of a command (``--quoting none``)
            or as overrides (``data.quoting=none``).
    """

    delimiter: str | None = None
    quoting: Quoting = "auto"
    escape: str | None = None
    header: bool = True
    as_options: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        # what a shell leaves of "\t" and of a doubled backslash
        if type(self.delimiter) is str:
            object.__setattr__(self, "delimiter", tab_of(self.delimiter))
        if self.escape == "\\\\":
            object.__setattr__(self, "escape", "\\")
        self._check("delimiter", self._is_delimiter(), "null or one character, as in ';' or '\\t'")
        self._check("quoting", self.quoting in get_args(Quoting), "auto, standard or none")
        self._check("escape", self.escape in (None, "\\"), "null or a backslash")
        self._check("header", type(self.header) is bool, "true or false")

    def setting(self, key: str, value: str) -> str:
        """A setting as the user would type it."""
        if not self.as_options:
            return f"data.{key}={value}"
        return "--no-header" if key == "header" else f"--{key} {value}"

    @property
    def text_column_setting(self) -> str:
        """What chooses the columns of documents."""
        return "--text-column" if self.as_options else "data.text_column"

    def reader(self, delimiter: str) -> dict[str, Any]:
        """Arguments of ``csv.reader``."""
        return {
            "delimiter": delimiter,
            "quoting": csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL,
            "escapechar": self.escape,
            "strict": True,
        }

    def _is_delimiter(self) -> bool:
        character = self.delimiter
        return character is None or (
            type(character) is str and len(character) == 1 and character not in '"\\\r\n\0\ufeff'
        )

    def _check(self, key: str, ok: bool, accepted: str) -> None:
        if not ok:
            setting = self.setting(key, str(getattr(self, key)))
            raise ConfigError(f"{setting} is not accepted; give {accepted}.")
