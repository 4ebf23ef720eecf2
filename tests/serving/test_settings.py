"""Serve's settings refuse what would fail later."""

from pathlib import Path
from typing import Any

import pytest

from docsort.core.errors import ConfigError
from docsort.serving.settings import ServeSettings, default_run_dir

STORE, RUN_DIR = Path("store"), Path("/tmp/run")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("host", "localhost"),
        ("workers", 0),
        ("batch_size", 0),
        ("batch_delay_ms", 0),
        ("max_body_bytes", 0),
        ("response_timeout_s", 0),
        ("run_dir", Path("relative")),
        ("run_dir", Path("/tmp/a b")),
        ("run_dir", Path("/tmp/$x;")),
    ],
)
def test_refused(name: str, value: Any) -> None:
    option = "--" + name.replace("_", "-")
    with pytest.raises(ConfigError, match=f"{option} .* is not accepted; it must be"):
        ServeSettings(**{"store": STORE, "run_dir": RUN_DIR, name: value})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1337"),
        ("0.0.0.0", "http://127.0.0.1:1337"),
        ("::1", "http://[::1]:1337"),
    ],
)
def test_where_clients_of_this_machine_go(host: str, url: str) -> None:
    assert ServeSettings(STORE, RUN_DIR, host).url == url


def test_the_default_run_dir_depends_on_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert default_run_dir(1337) != default_run_dir(1338)
    assert ServeSettings(STORE, default_run_dir(1337)).port == 1337
