"""Nginx as a whole: a configuration that it refuses is forgotten."""

import os
from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving.front import Front
from docsort.serving.nginx import Share
from docsort.serving.programs import find_nginx
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from tests.serving.conftest import free_port


def test_a_refused_configuration_is_not_left_behind(tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    settings = ServeSettings(Path("store"), run_dir.path, port=free_port())
    front = Front(find_nginx(), settings, run_dir, print)
    front.apply([], "t0ken")
    try:
        before = run_dir.nginx_config.read_text()
        with pytest.raises(ServingError, match="refuses its configuration"):
            front.apply([Share("tiny", "2.0", 200)])
        assert run_dir.nginx_config.read_text() == before
        assert run_dir.nginx_config.stat().st_mode & 0o777 == 0o640
        front.apply([])  # again, since nobody knows what a failure left
        assert run_dir.nginx_config.read_text() != before
    finally:
        front.end()
