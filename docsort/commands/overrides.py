"""Overrides as people type them: file names quoted for Hydra's grammar, and how to quote the rest.

Reads no configuration.
"""

import os
import re
import shlex
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf

from docsort.core.errors import ConfigError

# the settings that name files and folders
_FOLDERS = frozenset({"hydra.run.dir", "hydra.sweep.dir"})
_PATHS = _FOLDERS | {
    *("data.train", "data.val", "data.test", "data.dataset"),
    *("bundle", "checkpoint", "resume", "model.pretrained"),
}
_KEY = re.compile(r"(?P<key>[+~]{0,2}[\w@/.:$-]+)=(?P<value>.*)", re.DOTALL)


def setting_of(override: str) -> str:
    """The setting that an override is about, without the + or ++ before it."""
    return override.partition("=")[0].lstrip("+")


def as_typed(overrides: Any) -> list[str]:
    """Overrides that Hydra has recorded, interpolations left as they are."""
    recorded: list[str] = OmegaConf.to_container(overrides, resolve=False)  # type: ignore[assignment]
    return recorded


def with_quoted_paths(arguments: Sequence[str]) -> list[str]:
    """The command line, with every file name quoted as Hydra wants it, and ~ expanded.

    Raises:
        ConfigError: an argument that is not UTF-8.
    """
    for argument in arguments:
        if not argument.isascii():
            _check_utf8(argument)
    return [_with_quoted_path(argument) for argument in arguments]


def quoted(text: str, is_literal: bool = True) -> str:
    """A text in quotes, as a value of Hydra's grammar.

    ``is_literal``: whether ``${`` in it is just that, and no interpolation.
    """
    return QuotedString(escaped(text) if is_literal else text, Quote.single).with_quotes()


def escaped(text: str) -> str:
    """A text in which ``${`` begins no interpolation."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", text)


def in_plain_words(error: OverrideParseException) -> str:
    """What is wrong with an override, and how to type it."""
    override = error.override
    found = _KEY.fullmatch(override)
    if not found:
        hint = ""
        if _exists(override):
            hint = f"; to read this file: data=csv {_typed(f'data.train={override}')}"
        return f"{override} can't be read; give KEY=VALUE{hint}"
    typed = _typed(f"{found['key']}={quoted(found['value'])}")
    as_text = f"As one text, type: {typed}"
    if error.__cause__:  # one of Hydra's functions, or a name before brackets taken for one
        _, _, why = error.message.rpartition("\nSee http")[0].partition(" while evaluating ")
        return f"{override} can't be read: {' '.join(why.split())}. {as_text}"
    return (
        f"{override} can't be read: quotes, brackets, commas, = and letters other than a to z have "
        f"to stand in quotes. {as_text}"
    )


def _typed(argument: str) -> str:
    """An argument as it is typed in a shell."""
    in_double_quotes = not set('"$`\\!') & set(argument)
    return f'"{argument}"' if in_double_quotes else shlex.quote(argument)


def _with_quoted_path(argument: str) -> str:
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in _PATHS or value in ("", "null"):
        return argument
    return f"{key}={_path_value(value, key in _FOLDERS)}"


def _path_value(value: str, is_folder: bool) -> str:
    """As typed, where Hydra reads that as the path it is."""
    names = [value] if _exists(value) else value.split(",")
    if all(map(_exists, names)):  # a sweep's list of them, too
        return ",".join(_as_read(name, is_literal=True) for name in names)
    try:
        read: Any = _parsed(value)
    except HydraException:
        return _as_read(value)
    if isinstance(read, str) and read.startswith("~"):
        return _as_read(read)
    return quoted(value) if is_folder and not isinstance(read, str) else value


def _as_read(path: str, is_literal: bool = False) -> str:
    """A path as Hydra reads it, in quotes where they are needed."""
    path = _expanded(path)
    try:
        plain = _parsed(path) == path and not (is_literal and "${" in path)
    except HydraException:
        plain = False
    return path if plain else quoted(path, is_literal)


def _expanded(path: str) -> str:
    """The path without ~; absolute where ~ is no home but the beginning of a name."""
    path = os.path.expanduser(path)
    return os.path.abspath(path) if path.startswith("~") else path


def _parsed(value: str) -> Any:
    """Raises HydraException."""
    override = OverridesParser.create().parse_override(f"key={value}")
    return None if override.is_sweep_override() else override.value()


def _exists(path: str) -> bool:
    return os.path.exists(_expanded(path))


def _check_utf8(argument: str) -> None:
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{argument!a} is not UTF-8; rename the file, or quote the setting"
        ) from None
