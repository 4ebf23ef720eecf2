"""The embedded corpus: reference pages of the installed libraries, labelled with their subjects.

A page is what a public docstring of numpy, scipy, pandas, scikit-learn or torch says before its
parameter list; `library_subjects` says which names are about what. Everything is read from the
user's own installation (BSD licences all), nothing of it is kept in this project.
"""

import fnmatch
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from inspect import isbuiltin, isclass, ismodule
from itertools import chain
from types import MethodType

import pandas as pd

from docsort.core.errors import DataError
from docsort.data.docstrings import prose
from docsort.data.duplicates import duplicate_clusters, first_of_each
from docsort.data.library_subjects import SUBJECTS

LIBRARIES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "sklearn": "scikit-learn",
    "torch": "torch",
}
"""Top-level module and distribution of every library read."""

EXPERIMENTAL = (
    "sklearn.experimental.enable_halving_search_cv",
    "sklearn.experimental.enable_iterative_imputer",
)
"""Modules whose import makes public names appear. Imported first, so that the corpus doesn't depend
on whether something else in the process already had."""

MIN_WORDS = 12
"""Shorter pages ("Return the mean.") name no subject."""


@dataclass(frozen=True)
class Page:
    """One object's reference text."""

    name: str
    """Qualified name under which the table reached the object."""
    text: str
    label: str


def build_library_docs() -> pd.DataFrame:
    """The corpus, free of near duplicates: columns row (from 0), name, text, label.

    Rows follow the table of subjects and then the alphabet, the same for the same versions. Raises
    DataError when a library is missing or Python runs without docstrings (-OO).
    """
    pages = _pages()
    return pd.DataFrame(
        {
            "row": range(len(pages)),
            "name": [page.name for page in pages],
            "text": [page.text for page in pages],
            "label": [page.label for page in pages],
        }
    )


def library_docs_fingerprint() -> str:
    """Versions of the libraries read, and the SHA-256 of the corpus built from them."""
    versions = " ".join(f"{library} {version(library)}" for library in LIBRARIES.values())
    digest = sha256()
    for page in _pages():
        digest.update("\0".join((page.name, page.label, page.text, "")).encode())
    return f"{versions} sha256:{digest.hexdigest()}"


@cache
def _pages() -> tuple[Page, ...]:
    _import_libraries()
    with warnings.catch_warnings():
        # Deprecated modules and names say so when touched, but nobody here uses them.
        warnings.simplefilter("ignore")
        for module in EXPERIMENTAL:
            import_module(module)
        pages = tuple(_documented())
    if not pages:
        raise DataError(
            "data=library_docs reads docstrings, and this Python keeps none: run it without -OO "
            "and without PYTHONOPTIMIZE=2"
        )
    kept = first_of_each(duplicate_clusters(page.text for page in pages))
    return tuple(pages[position] for position in kept.tolist())


def _import_libraries() -> None:
    for module, distribution in LIBRARIES.items():
        try:
            import_module(module)
        except ImportError as error:
            raise DataError(
                f"data=library_docs reads the documentation of {distribution}, which can't be "
                f"imported ({error}): install docsort again, with all that it needs"
            ) from error


def _documented() -> Iterator[Page]:
    """A page for every object of the table that says enough, duplicates included."""
    seen: dict[int, object] = {}  # the objects too: a freed object's id may come again
    for subject, patterns in SUBJECTS:
        for name, member in chain.from_iterable(map(_members, patterns.split())):
            if id(member) in seen:
                continue
            seen[id(member)] = member
            text = _text(member)
            if len(text.split()) >= MIN_WORDS:
                yield Page(name, text, subject)


def _members(pattern: str) -> Iterator[tuple[str, object]]:
    """Qualified names, in alphabetical order, and objects that a pattern of the table reaches."""
    namespace, _, glob = pattern.rpartition(".")
    holder = _resolved(namespace)
    for name in sorted(fnmatch.filter(_public_names(holder), glob)):
        member = _member(holder, name)
        if member is not None:
            yield f"{namespace}.{name}", member


def _resolved(namespace: str) -> object | None:
    """The module or class of that name; None when the installed version has none."""
    try:
        return import_module(namespace)
    except ModuleNotFoundError:
        outer, _, name = namespace.rpartition(".")
        return getattr(_resolved(outer), name, None) if outer else None


def _public_names(holder: object) -> list[str]:
    names: list[str] | None = getattr(holder, "__all__", None)
    return dir(holder) if names is None else names


def _member(holder: object, name: str) -> object | None:
    """The object of that name, or None when it isn't one of the holder's own public ones."""
    if name.startswith("_"):
        return None
    try:
        member: object = getattr(holder, name)
    except (AttributeError, ImportError):  # a name that needs something not installed
        return None
    member = member.__func__ if isinstance(member, MethodType) else member
    return None if ismodule(member) or _is_imported(member, holder) else member


def _is_imported(member: object, holder: object) -> bool:
    """Whether the member comes from elsewhere: a module without __all__ shows its imports too, and
    a class what other libraries registered on it."""
    if hasattr(holder, "__all__") or isbuiltin(member):
        return False
    own = holder.__name__ if ismodule(holder) else holder.__module__.partition(".")[0]
    home = getattr(member, "__module__", None) or own
    return not f"{home}.".startswith(f"{own}.")


def _text(member: object) -> str:
    docstring = getattr(member, "__doc__", None)
    inherited = not isclass(member) and docstring == type(member).__doc__
    return "" if inherited or not isinstance(docstring, str) else prose(docstring)
