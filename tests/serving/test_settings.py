"""Serve's settings refuse what would fail later."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from docsort.commands import serve
from docsort.core.errors import ConfigError
from docsort.serving import settings as settings_module
from docsort.serving import torchserve
from docsort.serving.settings import (
    DEFAULT_PORT,
    MAX_WAITING_BYTES,
    MIN_CONNECTIONS,
    ServeSettings,
    default_run_dir,
)

ROOT = Path(__file__).parents[2]
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
        ("max_header_bytes", 1023),
        ("max_connections", MIN_CONNECTIONS - 1),
        ("client_connections", 0),
        ("client_timeout_s", 0),
        ("rate_per_s", -1),
        ("max_access_log_bytes", -1),
        ("metrics_port", 65536),
        ("metrics_port", DEFAULT_PORT),
        ("management_port", DEFAULT_PORT),
        ("management_port", -1),
        ("metrics_host", "localhost"),
        ("access_log", Path("/tmp/a b")),
        ("access_log", Path("relative.log")),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "proxy.example"),
        ("trusted_proxies", "10.0.0.0/8,"),
        ("trusted_proxies", "unix:"),
        ("trusted_proxies", "fe80::1%eth0"),
        ("trusted_proxies", "0.0.0.0/0"),
        ("trusted_proxies", "::/0"),
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


def test_trusted_proxies_are_networks_of_both_families() -> None:
    assert ServeSettings(STORE, RUN_DIR).trusted_networks == []
    settings = ServeSettings(STORE, RUN_DIR, trusted_proxies="10.0.0.0/8, 192.0.2.1,fd00::/8")
    assert settings.trusted_networks == ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]


def test_two_ports_that_are_one() -> None:
    ServeSettings(STORE, RUN_DIR, management_port=8081, metrics_port=8082)
    with pytest.raises(ConfigError, match=r"--metrics-port 8081 is not accepted.* no other port"):
        ServeSettings(STORE, RUN_DIR, management_port=8081, metrics_port=8081)


def test_bodies_that_wait_must_have_room_in_torchserves_memory() -> None:
    ServeSettings(STORE, RUN_DIR, queue_size=256)
    with pytest.raises(
        ConfigError, match=r"--queue-size 257 .* be 256 at most with --max-body-bytes 10"
    ):
        ServeSettings(STORE, RUN_DIR, queue_size=257)
    assert int(torchserve._HEAP.removesuffix("m")) << 20 >= 2 * MAX_WAITING_BYTES


def test_one_address_alone_cannot_fill_a_queue() -> None:
    settings = ServeSettings(STORE, RUN_DIR)
    assert settings.client_connections < settings.queue_size


def test_composes_nginx_has_room_for_the_largest_bodies_of_all_connections() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    settings = ServeSettings(STORE, RUN_DIR)
    limit = int(compose["services"]["nginx"]["mem_limit"].removesuffix("m")) << 20
    assert limit > settings.max_connections * settings.max_body_bytes * 1.1


def test_tls_that_nginx_would_refuse_is_found_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="both of --tls-certificate and --tls-key"):
        ServeSettings(STORE, RUN_DIR, tls_certificate=tmp_path / "a.crt")
    (tmp_path / "a.crt").write_text("no PEM")
    for key in ("a.crt", "missing.key"):
        with pytest.raises(ConfigError, match=r"--tls-key .*give a PEM chain and its own key"):
            ServeSettings(
                STORE, RUN_DIR, tls_certificate=tmp_path / "a.crt", tls_key=tmp_path / key
            )


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


def test_every_setting_is_an_option_with_the_settings_own_default() -> None:
    options = vars(serve._parser().parse_args([]))
    defaults = ServeSettings(STORE, RUN_DIR)
    names = {field.name for field in fields(ServeSettings)} - {"store", "run_dir"}
    assert set(options) == {*names, "store", "run_dir", "archives", "wait_for_archive"}
    assert {name: options[name] for name in names} == {n: getattr(defaults, n) for n in names}


def test_options_are_read_as_their_settings_types(capsys: pytest.CaptureFixture[str]) -> None:
    parser = serve._parser()
    options = parser.parse_args(["--host", "::1", "--batch-delay-ms", "7"])
    assert (options.host, options.batch_delay_ms) == ("::1", 7)
    with pytest.raises(SystemExit):
        parser.parse_args(["--port", "http"])
    capsys.readouterr()
    said = " ".join(parser.format_help().split())
    assert "--max-body-bytes MAX_BODY_BYTES bytes of a request's body, at most" in said
    assert "(default: 1337)" in said


@pytest.mark.parametrize(
    ("cores", "workers", "threads"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 1), (16, 4, 4)]
)
def test_all_cores_are_used_and_none_twice(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(settings_module, "_num_gpus", lambda: 0)
    settings = ServeSettings(STORE, RUN_DIR)
    assert (settings.workers, settings.worker_threads) == (workers, threads)
    assert ServeSettings(STORE, RUN_DIR, workers=1).worker_threads == cores


def test_the_unit_for_systemd_leaves_the_time_that_an_end_takes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "serving.md").read_text()
    lines = re.search(r"    \[Unit\]\n(?:(?: {4}.*)?\n)+", page)
    assert lines
    file = tmp_path / "docsort.service"
    file.write_text(textwrap.dedent(lines[0]))
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # letters as they are
    unit.read(file)
    service = unit["Service"]
    program, verb, *words = service["ExecStart"].split()
    assert (Path(program).name, verb, service["KillMode"]) == ("docsort", "serve", "mixed")
    options = serve._parser().parse_args(words)
    assert options.run_dir == Path("/run") / service["RuntimeDirectory"]
    assert options.store == Path("/var/lib") / service["StateDirectory"]
    ends_within_s = options.drain_timeout_s + torchserve._END_TIMEOUT_S
    assert ends_within_s < int(service["TimeoutStopSec"])
    if verify := shutil.which("systemd-analyze"):  # names what systemd does not know
        file.write_text(file.read_text().replace(program, sys.executable))
        said = subprocess.run([verify, "verify", file], capture_output=True, text=True, check=False)
        assert file.name not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("torch", "visible", "gpus"),
    [
        ("2.13.0", None, 3),
        ("2.13.0+cu128", "1", 1),
        ("2.13.0", "0,2", 2),
        ("2.13.0", "0,-1,2", 1),
        ("2.13.0", "", 0),
        ("2.13.0", "-1", 0),
        ("2.13.0+cpu", None, 0),
    ],
)
def test_a_worker_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: str, visible: str | None, gpus: int
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    monkeypatch.setattr(settings_module, "version", {"torch": torch}.__getitem__)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = settings_module._num_gpus(tmp_path)
    assert found == gpus
    monkeypatch.setattr(settings_module, "_num_gpus", lambda: found)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert ServeSettings(STORE, RUN_DIR).workers == (gpus or 4)


PAGES = ["serving.md", "security.md", "threat-model.md", "limits.md", "logs-and-metrics.md"]


@pytest.mark.parametrize("page", PAGES)
def test_the_documents_name_only_options_that_there_are(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text))
    options = {name.replace("_", "-") for name in vars(serve._parser().parse_args([]))}
    of_other_verbs = {"file", "url", "help"}
    assert named - of_other_verbs <= options
    assert len(named) > 1


def test_run_dir_is_the_environments_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DOCSORT_RUN_DIR", "/run/docsort")
    assert default_run_dir(1337) == Path("/run/docsort")
    monkeypatch.setenv("DOCSORT_RUN_DIR", "")
    assert default_run_dir(1337) == tmp_path / "docsort-1337"
