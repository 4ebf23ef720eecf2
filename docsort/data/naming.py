"""Names from users' data in a message: quoted, cut and bounded. Knows not what they name.

A wrong setting makes anything a name (data.label_column=text makes every document a label), so no
message may hold them all, or one of them whole.
"""

from collections.abc import Iterable, Mapping
from itertools import islice

MOST = 10
CHARACTERS = 40


def named(names: Iterable[str], most: int = MOST, characters: int = CHARACTERS) -> str:
    """ "'a', 'b' and 3 more": the first ``most``, each cut to ``characters``."""
    listed = list(names)
    return _bounded((shortened(name, characters) for name in listed), len(listed), most)


def counted_names(
    counts: Mapping[str, int], unit: str = "", most: int = MOST, characters: int = CHARACTERS
) -> str:
    """ "'a' (3 rows), 'b' (1 rows) and 7 more" for unit "rows"."""
    tail = f" {unit}" if unit else ""
    told = (f"{shortened(name, characters)} ({count}{tail})" for name, count in counts.items())
    return _bounded(told, len(counts), most)


def shortened(name: str, characters: int = CHARACTERS) -> str:
    """The name in quotes on one line, with "…" where it was cut."""
    return repr(name) if len(name) <= characters else repr(name[: characters - 1] + "…")


def _bounded(told: Iterable[str], total: int, most: int) -> str:
    first = ", ".join(islice(told, most))
    return f"{first} and {total - most} more" if total > most else first
