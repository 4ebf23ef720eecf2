"""What ``docsort serve`` refuses before it starts anything."""

import importlib.metadata
import socket
from pathlib import Path

import pytest

from docsort.commands import main
from docsort.serving import programs
from docsort.serving.settings import ServeSettings
from docsort.serving.supervisor import prepare
from tests.serving.conftest import free_port
from tests.serving.test_mar import rewrite, with_bundle


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["serve", *arguments]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("option", ["--port", "--metrics-port", "--management-port"])
def test_a_taken_port(capsys: pytest.CaptureFixture[str], store: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"--port": str(free_port()), option: port}
        given = [word for pair in ports.items() for word in pair]
        said = refused(capsys, *given, "--store", str(store))
    assert f"docsort serve: {option} {port} cannot be used on 127.0.0.1" in said


@pytest.mark.parametrize(
    ("variable", "package"), [("JAVA_HOME", "openjdk-17-jre-headless"), ("PATH", "nginx-light")]
)
def test_a_missing_program(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    store: Path,
    tmp_path: Path,
    variable: str,
    package: str,
) -> None:
    if variable == "PATH":
        monkeypatch.setenv("JAVA_HOME", str(Path(programs.find_java()).resolve().parents[1]))
    monkeypatch.setattr(programs, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv(variable, str(tmp_path))
    assert package in refused(capsys, "--port", str(free_port()), "--store", str(store))


def test_without_torchserve(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    distribution = importlib.metadata.distribution

    def absent(name: str) -> importlib.metadata.Distribution:
        if name == "torchserve":
            raise importlib.metadata.PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    said = refused(capsys, "--port", str(free_port()), "--store", str(store))
    assert "TorchServe is not installed in this Python; install docsort[serve]" in said


def test_a_truncated_archive(capsys: pytest.CaptureFixture[str], archive_copy: Path) -> None:
    archive_copy.write_bytes(archive_copy.read_bytes()[:5000])
    said = refused(capsys, "--port", str(free_port()), str(archive_copy))
    assert "truncated or damaged" in said


def test_an_archive_whose_bundle_cannot_be_read(
    capsys: pytest.CaptureFixture[str], archive_copy: Path
) -> None:
    arguments = ("--port", str(free_port()), str(archive_copy))
    with_bundle(archive_copy, schema_version=2)
    assert "holds a bundle of schema version 2" in refused(capsys, *arguments)
    with_bundle(archive_copy, schema_version=1)
    rewrite(archive_copy, {"bundle/model.safetensors": b"cut"})
    assert "truncated bundle: model.safetensors has 3 bytes" in refused(capsys, *arguments)


def test_an_access_log_on_standard_output(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    arguments = ["--port", str(free_port()), "--store", str(store), "--access-log", "/dev/stdout"]
    assert "--access-log /dev/stdout " in refused(capsys, *arguments)
    # another container's Nginx has an output of its own
    settings = ServeSettings(
        store, Path("/tmp/run"), nginx="external", access_log=Path("/dev/stdout")
    )
    assert prepare(settings).nginx is None


def test_an_empty_store(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = refused(capsys, "--port", str(free_port()), "--store", str(tmp_path))
    assert "holds no archive" in said


def test_a_setting_out_of_range(capsys: pytest.CaptureFixture[str], store: Path) -> None:
    assert "--workers 0 is not accepted" in refused(capsys, "--workers", "0", "--store", str(store))
