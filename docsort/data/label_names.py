"""Label names that look alike, and names that may stand for a missing label. Sees no text."""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from docsort.data.invisible import without_invisible
from docsort.data.naming import CHARACTERS

# Compared without case and punctuation.
_MISSING_WORDS = frozenset(
    {"na", "nan", "nat", "none", "null", "nil", "unknown", "undefined", "missing"}
    | {"notavailable", "notapplicable", "nolabel", "unlabeled", "unlabelled"}
)
_MISSING_SIGNS = frozenset("-–—?._/")
MOST_TOLD = 3


def look_alike(names: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Names that differ only in case, spaces, invisible characters or Unicode form, together."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, appearance in zip(names, _appearances(names), strict=True):
        groups[appearance].append(name)
    return tuple(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def may_mean_missing(names: Iterable[str]) -> tuple[str, ...]:
    """Names such as ``nan``, ``N/A`` and ``-``, in their order."""
    return tuple(name for name in names if _may_mean_missing(name))


def likeness_told(unseen: Sequence[str], known: Sequence[str]) -> str:
    """A sentence, after a space, that tells unseen names from known ones that look the same.

    Empty where there are none.
    """
    known_by = dict(zip(_appearances(known), known, strict=True))
    pairs = [
        f"{name[:CHARACTERS]!a} looks like {known_by[appearance][:CHARACTERS]!a}"
        for name, appearance in zip(unseen, _appearances(unseen), strict=True)
        if appearance in known_by
    ]
    return f" Of these, {', '.join(pairs[:MOST_TOLD])}." if pairs else ""


def _appearances(names: Collection[str]) -> list[str]:
    seen = without_invisible(list(names))
    folded = [unicodedata.normalize("NFKC", name).casefold() for name in seen]
    return [unicodedata.normalize("NFKC", name) for name in folded]


def _may_mean_missing(name: str) -> bool:
    letters = "".join(c for c in name.casefold() if c.isalnum())
    return letters in _MISSING_WORDS or set(name.strip()) <= _MISSING_SIGNS
