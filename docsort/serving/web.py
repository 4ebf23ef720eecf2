"""The files that Nginx answers by itself: errors, the page, the API's description."""

import json
from collections.abc import Sequence

from docsort.serving.error_pages import ErrorPage
from docsort.serving.openapi import openapi
from docsort.serving.page import render_page
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings


def write_web(settings: ServeSettings, run_dir: RunDir, errors: Sequence[ErrorPage]) -> None:
    """Write all of them, under names that templates/nginx.conf.j2 knows."""
    (run_dir.web / "errors").mkdir(exist_ok=True)
    for error in errors:
        (run_dir.web / "errors" / error.file).write_text(error.body(), encoding="utf-8")
    run_dir.page.write_text(render_page(), encoding="utf-8")
    text = json.dumps(openapi(settings, errors), indent=1) + "\n"
    run_dir.openapi.write_text(text, encoding="utf-8")
