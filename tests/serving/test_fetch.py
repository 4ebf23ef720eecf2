"""An archive from file, https and s3: the one asked for, whole, with nothing said of secrets."""

import fcntl
import hashlib
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from docsort.commands import fetch as fetch_verb
from docsort.core.errors import ArchiveError, ConfigError
from docsort.serving.fetch import checked_name, fetch, read_credentials, redacted

CONTENT = b"an archive's bytes " * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LIMIT = 1 << 30


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    store.mkdir()
    return store


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "tiny-1.0.mar"
    source.write_bytes(CONTENT)
    return source


def test_from_a_file_and_only_once(source: Path, store: Path) -> None:
    url = source.as_uri()
    assert fetch(url, SHA256.upper(), store, {}, LIMIT) == (store / source.name, True)
    assert (store / source.name).read_bytes() == CONTENT
    source.unlink()
    assert fetch(url, SHA256, store, {}, LIMIT) == (store / source.name, False)
    assert os.listdir(store) == [source.name]


@pytest.mark.parametrize(
    ("sha256", "limit", "said"),
    [("0" * 64, LIMIT, "not 0000"), (SHA256, 1000, "over 1000 bytes"), ("", LIMIT, "64 hexa")],
)
def test_what_is_refused_leaves_nothing_behind(
    source: Path, store: Path, sha256: str, limit: int, said: str
) -> None:
    with pytest.raises((ArchiveError, ConfigError), match=said):
        fetch(source.as_uri(), sha256, store, {}, limit)
    assert os.listdir(store) == []


def test_what_a_killed_fetch_left_is_removed_and_what_another_writes_is_not(
    source: Path, store: Path
) -> None:
    pipe = source.with_name("slow-1.0.mar")
    os.mkfifo(pipe)
    verb = [sys.executable, "-m", "docsort", "fetch", "--store", str(store)]
    environment = {**os.environ, "MODEL_URL": pipe.as_uri(), "MODEL_SHA256": SHA256}
    with pipe.open("r+b", buffering=0):  # nothing ever comes
        killed = subprocess.Popen(verb, env=environment, cwd=Path(__file__).parents[2])
        while not os.listdir(store):
            assert killed.poll() is None
            time.sleep(0.01)
        killed.terminate()
        killed.wait(60)
    (left,) = os.listdir(store)
    assert left.startswith(".fetching-")
    with (store / ".fetching-now").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        fetch(source.as_uri(), SHA256, store, {}, LIMIT)
    assert sorted(os.listdir(store)) == [".fetching-now", source.name]
    fetch(source.as_uri(), SHA256, store, {}, LIMIT)
    assert os.listdir(store) == [source.name]


def test_another_archive_is_never_replaced(source: Path, store: Path) -> None:
    (store / source.name).write_bytes(b"the one that serves")
    with pytest.raises(ArchiveError, match="never replaced"):
        fetch(source.as_uri(), SHA256, store, {}, LIMIT)
    assert (store / source.name).read_bytes() == b"the one that serves"


@pytest.mark.parametrize(
    "url",
    [
        "http://host/tiny-1.0.mar",
        "ftp://host/tiny-1.0.mar",
        "simplecache::s3://bucket/tiny-1.0.mar",
        "tiny-1.0.mar",
        "https://host/",
        "https://host/tiny-1.0.zip",
        "https://host/.tiny.mar",
        "https://user:pa55word@host/tiny-1.0.mar",
        "https://user:pa55word@[x/tiny-1.0.mar",
        "https://user:pa55word@ho\N{FULLWIDTH SOLIDUS}st/tiny-1.0.mar",
    ],
)
def test_urls_that_are_not_accepted(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked_name(url)
    assert "pa55word" not in str(refused.value)


def test_a_url_is_told_without_its_secrets() -> None:
    url = "https://user:pa55word@host/a/tiny-1.0.mar?X-Amz-Signature=5ecret#5ecret"
    assert redacted(url) == "https://host/a/tiny-1.0.mar"
    with pytest.raises(ConfigError, match="is no URL") as refused:  # the slash ends the host
        checked_name("https://user:5ec/ret@host/tiny-1.0.mar")
    assert "ret" not in str(refused.value)


@pytest.mark.parametrize("content", ["{", "[]", '"pa55word"'])
def test_credentials_that_are_not_accepted(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(ConfigError, match="JSON object") as refused:
        read_credentials(tmp_path / "secret")
    assert "pa55word" not in str(refused.value)


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, Any]]:
    """A local S3 with one archive; gives the credentials that read it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    login = {"key": "AKIA5ECRETID", "secret": "5ecret"}
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id=login["key"],
        aws_secret_access_key=login["secret"],
    )
    client.create_bucket(Bucket="models")
    client.put_object(Bucket="models", Key="a/tiny-1.0.mar", Body=CONTENT)
    client.close()
    yield {**login, "endpoint_url": f"http://{host}:{port}"}
    server.stop()


def run_verb(
    store: Path, url: str, credentials: Path, sha256: str = SHA256, **more: str
) -> "subprocess.CompletedProcess[str]":
    """As the container runs it, in a process of its own."""
    arguments = ["fetch", "--store", str(store), "--credentials", str(credentials)]
    return subprocess.run(
        [sys.executable, "-m", "docsort", *arguments],
        env={**os.environ, "MODEL_URL": url, "MODEL_SHA256": sha256, **more},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_from_s3(bucket: dict[str, Any], store: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(bucket))
    finished = run_verb(store, "s3://models/a/tiny-1.0.mar", secret)
    assert finished.returncode == 0, finished.stderr
    assert (store / "tiny-1.0.mar").read_bytes() == CONTENT
    missing = run_verb(store, "s3://models/a/none-1.0.mar", secret)
    assert missing.returncode == 2
    assert "s3://models/a/none-1.0.mar cannot be read (FileNotFoundError)" in missing.stderr
    assert (
        "5ecret"
        not in (finished.stdout + finished.stderr + missing.stdout + missing.stderr).lower()
    )
    assert os.listdir(store) == ["tiny-1.0.mar"]


@pytest.fixture
def https(source: Path, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A TLS server of the source's folder that wants a token; its port and certificate."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost",
         "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip

    class Handler(http.server.SimpleHTTPRequestHandler):
        def send_head(self) -> Any:
            if "token=5ecret" not in self.path:
                self.send_error(403)
                return None
            return super().send_head()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    def handler(*arguments: Any) -> Handler:
        return Handler(*arguments, directory=str(source.parent))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=[0.1])
        thread.start()
        yield server.server_port, certificate
        server.shutdown()
        thread.join()


def test_from_https_with_a_signed_url_that_is_the_secret(
    https: tuple[int, Path], store: Path, tmp_path: Path
) -> None:
    port, certificate = https
    url = f"https://localhost:{port}/tiny-1.0.mar"
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"url": f"{url}?token=5ecret"}))
    untrusted = run_verb(store, "", secret)
    finished = run_verb(store, "", secret, SSL_CERT_FILE=str(certificate))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"fetched {url} to {store / 'tiny-1.0.mar'}\n"
    (store / "tiny-1.0.mar").unlink()
    unsigned = run_verb(store, url, tmp_path / "none", SSL_CERT_FILE=str(certificate))
    assert (untrusted.returncode, unsigned.returncode) == (2, 2)
    assert "is not trusted: name the PEM file of its CA in SSL_CERT_FILE" in untrusted.stderr
    signed = run_verb(store, f"{url}?token=5ecret", tmp_path / "none")
    assert signed.returncode == 2
    assert f"MODEL_URL {url} has a query" in signed.stderr
    for said in (untrusted, finished, unsigned, signed):
        assert "5ecret" not in said.stdout + said.stderr
    assert os.listdir(store) == []


def test_what_is_no_url_is_told_in_words(store: Path, tmp_path: Path) -> None:
    finished = run_verb(store, "https://user:pa55word@[x/a.mar?token=5ecret", tmp_path / "none")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "MODEL_URL is no URL" in finished.stderr
    assert "pa55word" not in finished.stderr
    assert "5ecret" not in finished.stderr


def test_without_a_url_nothing_is_done(store: Path, tmp_path: Path) -> None:
    finished = run_verb(store, "", tmp_path / "none")
    assert (finished.returncode, finished.stdout) == (0, "no MODEL_URL: nothing to fetch\n")


def test_credentials_that_nobody_named_are_not_read(
    source: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As compose mounts them, of a clone under a umask that hides them."""
    hidden = tmp_path / "hidden.json"
    hidden.mkdir()  # root may read any file
    monkeypatch.setattr(fetch_verb, "_CREDENTIALS", hidden)
    monkeypatch.setenv("MODEL_URL", source.as_uri())
    monkeypatch.setenv("MODEL_SHA256", SHA256)
    arguments = ["--store", str(store)]
    monkeypatch.setenv("MODEL_CREDENTIALS", "s3.json")
    with pytest.raises(ConfigError, match=r"hidden\.json cannot be read"):
        fetch_verb.main(arguments)
    monkeypatch.setenv("MODEL_CREDENTIALS", "")
    with pytest.raises(ConfigError, match=r"hidden\.json cannot be read"):
        fetch_verb.main([*arguments, "--credentials", str(hidden)])
    assert fetch_verb.main(arguments) == 0
    assert os.listdir(store) == [source.name]


def test_compose_says_whether_credentials_were_named() -> None:
    compose = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text())
    assert compose["services"]["fetch"]["environment"]["MODEL_CREDENTIALS"] == (
        "${MODEL_CREDENTIALS:-}"
    )
