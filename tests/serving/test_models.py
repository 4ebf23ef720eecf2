"""`docsort models` with the real TorchServe and Nginx: what each change does, what is refused."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.bad_archives import bad_archives, state
from benchmarks.crowd import Crowd
from benchmarks.trial_rollout import run_rounds
from docsort.commands import main
from docsort.serving.wanted import WANTED
from tests.serving.conftest import RunningServer, free_port, start_server

DOCS = Path(__file__).parents[2] / "docs" / "versions.md"
MAX_ARCHIVE_BYTES = 1 << 20
Models = Callable[..., str]


@pytest.fixture(scope="module")
def own_store(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tiny 1.0 alone."""
    own = tmp_path_factory.mktemp("own-store")
    shutil.copy(store / "tiny-1.0.mar", own)
    return own


@pytest.fixture(scope="module")
def rolling(own_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of its own store, with TorchServe's management API on loopback too."""
    arguments = {
        "--store": own_store,
        "--response-timeout-s": 10,  # a busy machine must not pass for a hanging worker
        "--max-archive-bytes": MAX_ARCHIVE_BYTES,
        "--management-port": free_port(),
    }
    flat = [str(part) for option in arguments.items() for part in option]
    server = start_server(tmp_path_factory.mktemp("rolling"), *flat)
    try:
        server.wait_until_ready()
        yield server
    finally:
        assert server.stop() == 0


@pytest.fixture
def models(rolling: RunningServer, capsys: pytest.CaptureFixture[str]) -> Models:
    """Runs ``docsort models``; what it prints, or what it says when it refuses."""

    def run(*arguments: str) -> str:
        status = main(["models", *arguments, "--run-dir", str(rolling.run_dir)])
        said = capsys.readouterr()
        assert (status, bool(said.out)) in ((0, True), (2, False))
        return said.err if status else said.out

    return run


def test_a_rollout_under_a_crowd_loses_no_request(
    rolling: RunningServer, own_store: Path, store: Path, models: Models
) -> None:
    before = json.loads((own_store / WANTED).read_text())
    result = run_rounds(rolling, store / "tiny-2.0.mar", num_rounds=1, num_clients=4)
    assert not result["failures"]
    assert set(result["versions"]) == {"1.0", "2.0"}
    assert result["misled"] == 0
    # each client once a reload of Nginx, which the canary and the promotion ask for
    assert result["sent_again"] <= 4 * 2
    assert json.loads((own_store / WANTED).read_text()) == before
    assert (own_store / "tiny-2.0.mar").read_bytes() == (store / "tiny-2.0.mar").read_bytes()
    # 404, and not a worker's failure
    gone = httpx.post(
        f"{rolling.url}/predictions/tiny/2.0", content="a", headers={"Content-Type": "text/plain"}
    )
    assert gone.json()["error"]["type"] == "model_not_found"


def test_list(models: Models, own_store: Path) -> None:
    (one,) = json.loads(models("list", "--json"))
    known = json.loads((own_store / WANTED).read_text())["models"]["tiny"]["versions"]["1.0"]
    assert one == {
        "name": "tiny",
        "version": "1.0",
        "default": True,
        "canary_percent": 0,
        "canary_withdrawn": False,
        "workers": 1,
        "ready": True,
        "state": "ready",
        "registered": known["registered"],
        "sha256": known["sha256"],
    }
    assert re.search(r"tiny.*1\.0.*default.*1.*yes", models("list"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["promote", "tiny", "9"], "tiny has no version 9; it has 1.0"),
        (["promote", "other", "1.0"], "no model other; there are tiny"),
        (["promote", "tiny", "1.0"], "tiny 1.0 is the default already"),
        (["rollback", "tiny"], "tiny has no previous default"),
        (["canary", "tiny", "1.0", "--percent", "10"], "tiny 1.0 is the default"),
        (["retire", "tiny", "1.0"], "promote another version before it retires"),
        (["register", "no.mar"], "there is no archive"),
    ],
)
def test_refused(
    models: Models, rolling: RunningServer, own_store: Path, arguments: list[str], said: str
) -> None:
    before = state(own_store, rolling)
    assert said in models(*arguments)
    assert state(own_store, rolling) == before


def test_archives_that_are_refused_leave_nothing_and_harm_nobody(
    models: Models, rolling: RunningServer, own_store: Path, tmp_path: Path
) -> None:
    before = state(own_store, rolling)
    good = own_store / "tiny-1.0.mar"
    with Crowd(f"{rolling.url}/predictions/tiny", num_clients=2).asking() as crowd:
        for bad in bad_archives(good, tmp_path, MAX_ARCHIVE_BYTES):
            sha256 = ["--sha256", bad.sha256] if bad.sha256 else []
            assert bad.said in models("register", str(bad.file), *sha256)
            assert state(own_store, rolling) == before
    assert not crowd.failures()
    assert set(crowd.versions()) == {"1.0"}


def test_the_documented_way_to_torchserves_own_management_api(
    rolling: RunningServer, server: RunningServer
) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", DOCS.read_text(), re.DOTALL)
    token, over_socket, over_port = block.splitlines()
    (config,) = rolling.run_dir.glob("config.properties")
    (port,) = re.findall(r"management_address=http://127.0.0.1:(\d+)", config.read_text())
    for running, line in ((server, over_socket), (rolling, over_port.replace("8081", port))):
        said = subprocess.run(
            ["bash", "-c", f"{token}\n{line}"],
            env={**os.environ, "RUN_DIR": str(running.run_dir)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert [m["modelName"] for m in json.loads(said.stdout)["models"]] == ["tiny"]


def test_no_server(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "list", "--run-dir", str(tmp_path)]) == 2
    assert "no docsort serves from" in capsys.readouterr().err
