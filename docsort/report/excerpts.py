"""A document's beginning, for people to know it by on a page; never for a log."""

EXCERPT_CHARACTERS = 300


def excerpt_of(text: str) -> str:
    """The text's beginning on one line; cut before folding, for documents may be huge."""
    folded = " ".join(text[: 4 * EXCERPT_CHARACTERS].split())
    if len(folded) <= EXCERPT_CHARACTERS and len(text) <= 4 * EXCERPT_CHARACTERS:
        return folded
    return folded[:EXCERPT_CHARACTERS].rstrip() + " …"
