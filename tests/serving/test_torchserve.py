"""TorchServe's claims that serving is built on, each tried against the real one.

The numbers of its issues, and where each claim was read, stand in its repository (v0.12.0).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from docsort.core.errors import ServingError
from docsort.serving.child import group_members
from docsort.serving.mar import read_archive
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.torchserve import (
    TorchServeApi,
    end_torchserve,
    ignored_overrides,
    start_torchserve,
    worker_environment,
)
from tests.serving.conftest import RunningServer


def tokens(server: RunningServer) -> dict[str, str]:
    keys = json.loads((server.run_dir / "key_file.json").read_text())
    return {name: keys[name]["key"] for name in ("management", "inference")}


def over(server: RunningServer, name: str, token: str | None) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(getattr(RunDir(server.run_dir, -1), name)))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(transport=transport, base_url="http://x", headers=headers, timeout=60)


def test_all_three_addresses_are_unix_sockets_behind_the_owners_wall(server: RunningServer) -> None:
    for name in ("inference", "management", "metrics"):
        assert getattr(RunDir(server.run_dir, -1), name).is_socket()
    assert server.run_dir.stat().st_mode & 0o077 == 0


def listening_ports(pids: set[int]) -> list[tuple[str, int]]:
    """Loopback or not, and port, of the TCP sockets that these processes listen on."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = str(descriptor.readlink()) if descriptor.is_symlink() else ""
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A" and fields[9] in inodes:
                found.append((address, int(port, 16)))
    return found


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in tasks for child in file.read_text().split()]


def test_what_listens_on_tcp_is_loopback_and_grpc_wants_a_token(server: RunningServer) -> None:
    # gRPC cannot be turned off: any local user could register a model there, were it not for tokens
    pids = {m for child in children_of(server.process.pid) for m in group_members(child)}
    ports = dict.fromkeys(listening_ports(pids))
    own, metrics = (int(url.rpartition(":")[2]) for url in (server.url, server.metrics_url))
    loopback = ("0100007F", "0000000000000000FFFF00000100007F")
    assert own in [port for _, port in ports]
    assert all(address in loopback for address, _ in ports)
    grpc = [port for _, port in ports if port not in (own, metrics)]
    assert len(grpc) == 2
    for method in (
        "management.ManagementAPIsService/ListModels",
        "inference.InferenceAPIsService/Predictions",
    ):
        refused, unknown = sorted(
            (call_grpc(port, method) for port in grpc), key=lambda said: b"Method not found" in said
        )
        assert b"Token Authorization failed" in refused
        assert b"Method not found" in unknown  # each port knows its own half


def call_grpc(port: int, method: str) -> bytes:
    """What gRPC says to a call without a token; HTTP/2 written by hand, headers uncompressed."""

    def literal(name: bytes, value: bytes) -> bytes:
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
        return head + stream.to_bytes(4, "big") + payload

    path = f"/org.pytorch.serve.grpc.{method}".encode()
    headers = (
        literal(b":method", b"POST")
        + literal(b":scheme", b"http")
        + literal(b":path", path)
        + literal(b":authority", b"x")
        + literal(b"te", b"trailers")
        + literal(b"content-type", b"application/grpc")
    )
    message = b"\x00\x00\x00\x00\x00"
    request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    request += frame(1, 4, 1, headers) + frame(0, 1, 1, message)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while b"grpc-message" not in answer:
            part = connection.recv(65536)
            assert part, "it closed the connection without an answer"
            answer += part
    return answer


def test_tokens_do_not_expire_within_an_hour_and_are_demanded(server: RunningServer) -> None:
    keys = json.loads((server.run_dir / "key_file.json").read_text())
    assert keys["inference"]["expiration time"] > "2100"
    for name, path in (("management", "/models"), ("inference", "/ping")):
        with over(server, name, None) as client:
            assert client.get(path).status_code == 400
        with over(server, name, tokens(server)[name]) as client:
            assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/a.mar", "https://127.0.0.1:9/a.mar", "file:///etc/passwd", "../a.mar"],
)
def test_registration_fetches_nothing_from_elsewhere(server: RunningServer, url: str) -> None:
    # CVE-2023-43654
    with over(server, "management", tokens(server)["management"]) as client:
        answer = client.post("/models", params={"url": url, "model_name": "x"})
        assert 400 <= answer.status_code < 500
        assert [m["modelName"] for m in client.get("/models").json()["models"]] == ["tiny"]


def test_registered_as_asked(server: RunningServer) -> None:
    with over(server, "management", tokens(server)["management"]) as client:
        versions = client.get("/models/tiny/all").json()
    assert sorted(version["modelVersion"] for version in versions) == ["1.0", "2.0"]
    for version in versions:
        assert version["batchSize"] == 32
        assert version["maxBatchDelay"] == 5
        assert version["responseTimeout"] == 120
        assert [worker["status"] for worker in version["workers"]] == ["READY"]


def test_a_set_default_moves_the_answering_version(server: RunningServer) -> None:
    def answering() -> str:
        headers = {"Content-Type": "text/plain"}
        answer = httpx.post(f"{server.url}/predictions/tiny", content="a", headers=headers)
        return str(answer.json()["model"]["version"])

    with over(server, "management", tokens(server)["management"]) as client:
        for version in ("1.0", "2.0"):
            client.put(f"/models/tiny/{version}/set-default").raise_for_status()
            assert answering() == version


def test_prometheus_metrics_on_their_own_socket(server: RunningServer) -> None:
    with over(server, "metrics", None) as client:
        assert "ts_inference_requests_total" in client.get("/metrics").text


def test_the_log_names_no_request_and_holds_no_document(server: RunningServer) -> None:
    secret = "a word that stands in no other test: xyzzyq"
    headers = {"Content-Type": "text/plain"}
    for content in (secret.encode(), secret.encode() + b"\xff"):
        httpx.post(f"{server.url}/predictions/tiny", content=content, headers=headers)
    bodies = (f'{{"text": "{secret}', f'{{"inputs": ["{secret}", 3]}}')
    for body in bodies:
        json_type = {"Content-Type": "application/json"}
        httpx.post(f"{server.url}/predictions/tiny", content=body, headers=json_type)
    for file in server.run_dir.rglob("*"):
        if file.is_file():
            assert b"xyzzyq" not in file.read_bytes()
    log = (server.run_dir / "torchserve.log").read_text()
    assert "Backend received inference" not in log
    assert "Torch worker started." in log  # what workers say does get there


def test_a_proof_that_still_unpacks_hinders_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = RunDir(tmp_path, lock=os.open(tmp_path / "lock", os.O_CREAT))
    run_dir.make_folders()
    rmtree = shutil.rmtree

    def unpacked_meanwhile(folder: Path, ignore_errors: bool) -> None:
        rmtree(folder, ignore_errors)
        (folder / "proof-1").mkdir(parents=True)

    monkeypatch.setattr(shutil, "rmtree", unpacked_meanwhile)
    settings = ServeSettings(tmp_path, tmp_path)
    torchserve = start_torchserve("true", tmp_path, settings, run_dir)
    end_torchserve(torchserve)
    assert run_dir.temporary.is_dir()


def test_workers_see_none_of_the_users_torchserve_settings(tmp_path: Path) -> None:
    overrides = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "LOG4J_CONFIGURATION_FILE"]
    overrides += ["LOG_LOCATION", "TS_CONFIG_FILE", "_JAVA_OPTIONS"]
    before = dict.fromkeys(["PATH", "PYTHONPATH", "LD_PRELOAD", *overrides], "x")
    seen = worker_environment(before, ServeSettings(tmp_path, tmp_path, threads=2), tmp_path)
    assert seen["OMP_NUM_THREADS"] == "2"
    assert set(before) & set(seen) == {"PATH", "LD_PRELOAD"}
    assert ignored_overrides(before) == overrides


def test_a_workers_tokenizer_starts_its_share_of_threads(tmp_path: Path) -> None:
    threads = 2 * (os.cpu_count() or 1)  # not what it starts by itself
    settings = ServeSettings(tmp_path, tmp_path, threads=threads)
    script = """if True:
        from os import listdir
        from tokenizers import Tokenizer, models
        tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
        before = len(listdir("/proc/self/task"))
        tokenizer.encode_batch(["a text"])
        print(len(listdir("/proc/self/task")) - before)
    """
    ours = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    environment = worker_environment(ours, settings, tmp_path)
    said = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
    assert int(said) == threads


class Answering:
    """TorchServe's HTTP as a test says: what is answered to each request, and what was asked."""

    def __init__(self, run_dir: RunDir, *answers: httpx.Response | Exception) -> None:
        keys = {"inference": {"key": "i"}, "management": {"key": "m"}}
        run_dir.tokens.write_text(json.dumps(keys))
        self.answers = list(answers)
        self.asked: list[str] = []
        self.api = TorchServeApi(run_dir, timeout_s=1.0)
        transport = httpx.MockTransport(self._answer)
        self.api._management = httpx.Client(transport=transport, base_url="http://torchserve")
        self.api._inference = self.api._management

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="no JSON"),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json=[{"workers": [{"pid": 1}]}]),
        httpx.Response(200, json={"scores": [{"label": "sport"}]}),
        httpx.Response(200, json={"scores": [{"label": "sport", "score": 1.0}]}),
        httpx.Response(200, json={"scores": [{"label": "sport", "score": "high"}]}),
    ],
)
def test_an_odd_answer_is_told_as_one(tmp_path: Path, store: Path, answer: httpx.Response) -> None:
    answering = Answering(RunDir(tmp_path, -1), answer, answer, answer)
    info = read_archive(store / "tiny-1.0.mar")
    for ask in (
        lambda api: api.ready_workers("tiny", "1.0"),
        lambda api: api.num_pending("tiny", "1.0"),
        lambda api: api.scores(info, ["a"]),
    ):
        with pytest.raises(ServingError, match="docsort does not know"):
            ask(answering.api)


def test_a_registration_without_an_answer_is_taken_back(tmp_path: Path) -> None:
    silence, done = httpx.ReadTimeout("silence"), httpx.Response(200, json={})
    missing = httpx.Response(404, json={})  # it is still unpacking
    ready = httpx.Response(200, json=[{"workers": [{"pid": 7, "status": "READY"}]}])
    settings = ServeSettings(tmp_path, tmp_path, workers=1)
    answering = Answering(RunDir(tmp_path, -1), silence, missing, done, done, done, ready)
    with pytest.raises(ServingError, match="does not answer"):
        answering.api.register("a.mar", "a", "1", settings)
    assert answering.asked == ["POST /models", "DELETE /models/a/1"]
    answering.api.register("a.mar", "a", "1", settings)
    assert answering.asked[2:4] == ["DELETE /models/a/1", "POST /models"]


def test_a_registration_that_is_refused_takes_nothing_back(tmp_path: Path) -> None:
    conflict = httpx.Response(409, json={"message": "it is there"})
    answering = Answering(RunDir(tmp_path, -1), conflict)
    with pytest.raises(ServingError, match="409, it is there"):
        answering.api.register("a.mar", "a", "1", ServeSettings(tmp_path, tmp_path))
    assert answering.asked == ["POST /models"]
