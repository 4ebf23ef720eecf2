"""The files that Nginx answers by itself: errors, the page, the API's description."""

import json
from collections.abc import Sequence

from docsort.core.disk import write_if_changed
from docsort.serving.error_pages import ErrorPage
from docsort.serving.openapi import openapi
from docsort.serving.page import render_page
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings


def write_web(settings: ServeSettings, run_dir: RunDir, errors: Sequence[ErrorPage]) -> None:
    """Write all of them, under names that templates/nginx.conf.j2 knows."""
    run_dir.errors.mkdir(exist_ok=True)
    for error in errors:
        write_if_changed(run_dir.errors / error.file, error.body())
    write_if_changed(run_dir.page, render_page())
    text = json.dumps(openapi(settings, errors), indent=1) + "\n"
    write_if_changed(run_dir.openapi, text)
