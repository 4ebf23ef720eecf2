"""What serving needs of the machine, looked at before anything starts."""

import socket
from pathlib import Path

import pytest

from docsort.core.errors import ServingError
from docsort.serving import programs
from docsort.serving.programs import (
    check_gpus,
    check_port,
    check_socket_path,
    find_java,
    find_nginx,
    find_torchserve,
)
from tests.serving.conftest import free_port


def put_program(folder: Path, name: str, says: str) -> Path:
    """A program that prints to standard error, as java does."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    return program


def test_finds_what_is_installed_here() -> None:
    assert Path(find_java()).name == "java"
    assert Path(find_nginx()).name == "nginx"
    assert (find_torchserve() / "ts" / "frontend" / "model-server.jar").is_file()


def test_java_is_found_whatever_options_the_environment_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"):
        monkeypatch.setenv(name, "-XX:+NoSuchOption")
    assert Path(find_java()).name == "java"


@pytest.mark.parametrize("name", ["GPU-8d1", "MIG-1f0", "all"])
def test_gpus_that_torchserve_cannot_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"0,{name}")
    with pytest.raises(ServingError, match=f"the GPU {name}, .* by number alone"):
        check_gpus()


@pytest.mark.parametrize("names", [None, "", "-1", "0,2", "0,-1,GPU-8d1"])
def test_gpus_that_it_can(monkeypatch: pytest.MonkeyPatch, names: str | None) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if names is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    check_gpus()


def test_no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ServingError, match=r"PATH has no java.*openjdk-17-jre-headless"):
        find_java()


def test_java_home_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ServingError, match=r"JAVA_HOME=.* has no java"):
        find_java()
    program = put_program(tmp_path / "bin", "java", 'openjdk version "21.0.1" 2023-10-17')
    assert find_java() == str(program)


@pytest.mark.parametrize("says", ['openjdk version "11.0.20" 2023-07-18', "no version at all"])
def test_java_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str) -> None:
    put_program(tmp_path / "bin", "java", says)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ServingError, match=r"needs Java 17.*openjdk-17-jre-headless"):
        find_java()


def test_no_nginx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "SYSTEM_FOLDERS", ())
    with pytest.raises(ServingError, match="nginx-light"):
        find_nginx()


def test_nginx_where_debian_puts_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = put_program(tmp_path / "sbin", "nginx", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "SYSTEM_FOLDERS", (str(tmp_path / "sbin"),))
    assert find_nginx() == str(program)


def test_a_taken_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=f"--port {port} cannot be used on 127.0.0.1"):
            check_port("--port", "127.0.0.1", port)


def test_a_free_port_and_an_address_that_is_not_ours() -> None:
    check_port("--port", "127.0.0.1", free_port())
    with pytest.raises(ServingError, match=r"--metrics-port \d+ cannot be used on 192\.0\.2\.1"):
        check_port("--metrics-port", "192.0.2.1", free_port())


def test_socket_paths_up_to_the_kernels_limit() -> None:
    check_socket_path(Path("/" + "a" * 106))
    with pytest.raises(ServingError, match=r"108 bytes.*shorter --run-dir"):
        check_socket_path(Path("/" + "a" * 107))
