"""One docstring to the plain prose that stands before its parameter list. Knows no library.

Reads both customs: numpydoc (sections underlined) and Google's (``Args:``), in reStructuredText.
Left out: signatures, directives with their bodies (versions, formulas, code; but notes and warnings
are told), doctests, literal blocks, tables, and everything from the first section on. Markup within
a sentence gives way to what a reader would see; a formula stays only when it is a single name.
"""

import re
from collections.abc import Iterator
from inspect import cleandoc
from itertools import zip_longest

_SECTION = re.compile(
    r"""(args?|arguments?|parameters?|params?|keyword\ arg(ument)?s?|kwargs|inputs?|outputs?
    |returns?|yields?|raises|shapes?|attributes?|variables|methods?|examples?|usage|notes?
    |references?|see\ also|warnings?|warns|types?|properties|fields|members|call\ signature
    |optional\ (args|arguments|parameters))
    (\ *\(.*\))?\ *:{1,2}(\s|$)""",
    re.VERBOSE | re.IGNORECASE,
)
_FIELD = re.compile(r":(param|parameter|type|arg|args|return|returns|rtype|raises|keyword)\b[^`]*:")
_UNDERLINE = re.compile(r"([-=~^])\1{2,}\s*$")
_TABLE = re.compile(r"\s*(={2,}[= ]*|\+[-=+]+|\|.*\|)$")
_ADVICE = re.compile(r"\s*\.\. ?(note|warning|important|tip|hint|attention|caution)::\s*")
_DIRECTIVE = re.compile(r"\s*\.\.(\s|$)")
_OVERLOAD = re.compile(r"\s*\.\. ?(function|method|class)::")
_BULLET = re.compile(r"^\s*([-*+•]|\(?\d{1,2}[.)])\s+")
_CALL = re.compile(r"(\w+ = )?[\w.]+\s?\(")


def _formula(match: re.Match[str]) -> str:
    """A formula that is a single name or number stays, another leaves nothing."""
    formula = match["formula"].strip().strip("{}\\ ")
    return formula if re.fullmatch(r"[\w.-]+", formula) else ""


_INLINE = (
    (re.compile(r"(:math:`|\${1,2})(?P<formula>[^`$]*?)(`|\${1,2})"), _formula),
    (re.compile(r"Read more in the :ref:`User Guide <\w+>`\."), ""),
    (re.compile(r":ref:`sphx_glr_[^`<>]*`"), "the examples"),
    (re.compile(r"``(.+?)``", re.DOTALL), r"\1"),
    (re.compile(r"(?::[\w+-]+)*:[\w+-]+:`[!~]([^`<>]*?\.)*([^`.<>]+?)`"), r"\2"),
    (re.compile(r"(?:(?::[\w+-]+)*:[\w+-]+:)?`([^`<>]+?)\s*<[^`<>]*>`_{0,2}"), r"\1"),
    (re.compile(r"(?:(?::[\w+-]+)*:[\w+-]+:)?`[!~]?([^`]+?)`_{0,2}"), r"\1"),
    (re.compile(r"\[[\w*#.+ -]+\]_"), ""),
    (re.compile(r"<?https?://[^\s>)]+>?"), ""),
    (re.compile(r"(?<![\w*])\*\*(\S(?:[^*]*\S)?)\*\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])"), r"\1"),
    (re.compile(r"( at)? 0x[0-9a-fA-F]{6,}\b"), ""),
    # Mistakes of upstream: broken roles, unfilled templates, stray escapes.
    (re.compile(r":(func|class|meth|attr|mod|obj|ref|doc|term|math): ?"), ""),
    (re.compile(r"[`\\]|\{\w+\}"), ""),
    (re.compile(r"\.\.\s+\w+::"), ""),
    # What removals leave behind: empty brackets, lone commas, gaps.
    (re.compile(r"([(\[])[\s,]+"), r"\1"),
    (re.compile(r"\(\)(?<=\s\(\))|\[\](?<=\s\[\])"), ""),
    (re.compile(r"\s+"), " "),
    (re.compile(r" +([.,;:!?)])(?=\s|$)"), r"\1"),
)


def prose(docstring: str) -> str:
    """The text before the first section, as one line; empty when there is none."""
    lines = _without_signatures(cleandoc(docstring).splitlines())
    text = "\n".join(_BULLET.sub("", line) for line in _told(lines))
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text.strip()


def _without_signatures(lines: list[str]) -> list[str]:
    """The lines after the call signatures that built-in functions' docstrings open with."""
    rest = lines
    while True:
        while rest and not rest[0].strip():
            rest = rest[1:]
        length = _signature_length(rest)
        if length == 0:
            return rest
        rest = rest[length:]


def _signature_length(lines: list[str]) -> int:
    """Lines of the signature that the first line opens: up to the closing bracket, or 0."""
    if not lines or not _CALL.match(lines[0]):
        return 0
    depth = 0
    for number, line in enumerate(lines, start=1):
        for place, character in enumerate(line):
            depth += (character in "([{") - (character in ")]}")
            if depth == 0 and character in ")]}":
                after = line[place + 1 :].strip()
                return number if not after or after.startswith(("->", ":", "→")) else 0
        if not line.strip():
            return 0
    return 0


def _told(lines: list[str]) -> Iterator[str]:
    """The lines of running text up to the first section."""
    skipped_deeper_than: int | None = None
    in_doctest = False
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        indent = len(line) - len(line.lstrip())
        bare = line.strip()
        if not bare:
            in_doctest = False
            yield ""
            continue
        if skipped_deeper_than is not None and indent > skipped_deeper_than:
            continue
        skipped_deeper_than = None
        in_doctest = in_doctest or bare.startswith(">>")
        if in_doctest:
            continue
        if _ends_the_text(bare, following):
            return
        if advice := _ADVICE.match(line):
            yield line[advice.end() :]
            continue
        if _DIRECTIVE.match(line):
            skipped_deeper_than = indent
            continue
        if _UNDERLINE.match(bare) or _TABLE.match(line):
            continue
        opens_literal_block = bare.endswith("::")
        if opens_literal_block:
            skipped_deeper_than = indent
        yield line.rstrip()[:-1] if opens_literal_block else line


def _ends_the_text(bare: str, following: str) -> bool:
    return bool(
        _SECTION.match(bare)
        or _FIELD.match(bare)
        or _OVERLOAD.match(bare)
        or _UNDERLINE.match(following.strip())
    )
