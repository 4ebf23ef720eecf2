"""The page at ``/``: one file, whose content policy names its own script and style by their hashes.

It loads nothing, from nowhere, and speaks to its own server alone; the browser enforces that.
"""

import base64
import hashlib
import re

from docsort.serving.templates import render

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def render_page() -> str:
    """The page as text; the same for every server, which tells it its models at /readyz."""
    return render("page.html.j2")


def page_policy(page: str) -> str:
    """A Content-Security-Policy under which only what stands in ``page`` runs."""
    allowed = {"script": "", "style": ""}
    for kind, content in _INLINE.findall(page):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        allowed[kind] += f" 'sha256-{digest}'"
    return (
        f"default-src 'none'; script-src{allowed['script']}; style-src{allowed['style']}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
