"""Nginx's configuration is one that Nginx accepts, for every kind of address."""

import json
import os
import re
import stat
from pathlib import Path

import httpx
import pytest

from docsort.core.errors import ServingError
from docsort.serving.error_pages import error_pages
from docsort.serving.front import Front
from docsort.serving.nginx import Share, check_config, write_config
from docsort.serving.programs import find_nginx
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from tests.serving.conftest import free_port


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    return run_dir


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_accepted_by_nginx(run_dir: RunDir, host: str) -> None:
    settings = ServeSettings(Path("store"), run_dir.path, host, free_port())
    shares = [Share("tiny", "2.0", 10), Share("a-b.c", "1", 1)]
    write_config(settings, run_dir, "t0ken", shares)
    check_config(find_nginx(), run_dir)
    assert run_dir.nginx_log.read_text() == ""


def test_all_addresses_are_those_of_ipv4_too(run_dir: RunDir) -> None:
    host, port, metrics_port = "::", free_port(), free_port()
    settings = ServeSettings(
        Path("store"), run_dir.path, host, port, metrics_host=host, metrics_port=metrics_port
    )
    front = Front(find_nginx(), settings, run_dir, print)
    try:
        front.apply([], "t0ken")
        assert settings.url == f"http://127.0.0.1:{port}"
        for at in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{at}:{port}/livez").status_code == 200
            assert httpx.get(f"http://{at}:{metrics_port}/").status_code == 404
    finally:
        front.end()


def test_the_token_is_readable_by_nginx_alone(run_dir: RunDir) -> None:
    write_config(ServeSettings(Path("store"), run_dir.path), run_dir, "t0ken")
    assert "Bearer t0ken" in run_dir.nginx_config.read_text()
    assert stat.S_IMODE(run_dir.nginx_config.stat().st_mode) == 0o640


def test_every_error_page_is_json_and_is_used(run_dir: RunDir) -> None:
    write_config(ServeSettings(Path("store"), run_dir.path), run_dir, "t0ken")
    config = run_dir.nginx_config.read_text()
    used = re.findall(r"error_page ([0-9 ]+)(?:=([0-9]+) )?/errors/(\S+\.json);", config)
    named = config.count("error_page 400 500 =204 @reached;")  # in a question of Nginx's own
    assert len(used) + named == len(re.findall(r"^ +error_page ", config, re.MULTILINE))
    assert {name for _, _, name in used} == {page.file for page in error_pages(1)}
    for codes, answered, name in used:
        error = json.loads((run_dir.web / "errors" / name).read_text())["error"]
        assert set(error) == {"code", "type", "message"}
        assert error["code"] == int(answered or codes)  # without "=", only one code


def test_busy_answers_say_when_to_come_back() -> None:
    for page in error_pages(1):
        assert ("Retry-After" in dict(page.headers)) == (page.status in (429, 503))


def test_a_configuration_that_nginx_refuses(run_dir: RunDir) -> None:
    run_dir.nginx_config.write_text("nonsense;")
    with pytest.raises(ServingError, match=r'refuses its configuration(.|\n)*"nonsense"'):
        check_config(find_nginx(), run_dir)
