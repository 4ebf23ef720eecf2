"""The containers, for real: they classify, survive a restart, and are as shut in as is said."""

import json
import os
import ssl
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from docsort.serving.keys import add_key, remove_key
from tests.docker.conftest import READY_WITHIN_S, ROOT, SERVICES, Stack
from tests.serving.conftest import make_certificate

pytestmark = pytest.mark.timeout(1800)  # the first build fetches torch
TRAINING = ["pytorch_lightning", "pandas", "sklearn", "datasets", "hydra", "matplotlib", "scipy"]
CONTENT = {"model": "/run/docsort", "nginx": "/run/docsort/door"}


@pytest.fixture(scope="module", autouse=True)
def _ready(stack: Stack) -> None:
    stack.wait_until_ready()


def status(stack: Stack, service: str) -> dict[str, str]:
    """/proc/1/status of a container, as it says of itself."""
    lines = stack.engine.sh(service, "cat /proc/1/status").stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def classify(stack: Stack, path: str = "/predictions/tiny") -> httpx.Response:
    return httpx.post(stack.url + path, json={"text": "the profit of the bank"}, timeout=60)


def test_classifies_what_was_fetched_through_the_published_port(stack: Stack) -> None:
    answer = classify(stack)
    assert answer.status_code == 200
    assert answer.json()["model"] == {"name": "tiny", "version": "1.0"}
    # the wall is there: TorchServe's own paths are not
    assert httpx.get(stack.url + "/models").json()["error"]["type"] == "not_found"


@pytest.mark.parametrize("service", SERVICES)
def test_runs_as_nobody_with_no_privilege(stack: Stack, service: str) -> None:
    said = status(stack, service)
    assert set(said["Uid"].split()) == {"10001" if service == "model" else "10002"}
    assert {said[f"Cap{which}"].strip("0") for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {""}
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    assert said["Name"] == "tini"


@pytest.mark.parametrize("service", SERVICES)
def test_the_root_is_read_only_and_no_device_or_setuid_comes_in(stack: Stack, service: str) -> None:
    for place in ("/", "/usr/bin", "/etc", "/home"):
        assert "Read-only" in stack.engine.sh(service, f"touch {place}/x").stderr
    mounted = [
        line.split() for line in stack.engine.sh(service, "cat /proc/mounts").stdout.split("\n")
    ]
    options = {fields[1]: fields[3].split(",") for fields in mounted if fields}
    assert options["/"][0] == "ro"
    assert {"nosuid", "nodev"} <= set(options[CONTENT[service]])


@pytest.mark.parametrize(
    ("service", "memory", "pids"), [("model", 8 << 30, 512), ("nginx", 1280 << 20, 32)]
)
def test_memory_and_processes_are_bounded(
    stack: Stack, service: str, memory: int, pids: int
) -> None:
    def first(*files: str) -> int:
        """Of cgroup v2's or v1's file."""
        return int(stack.engine.sh(service, f"cat {' '.join(files)} 2>/dev/null").stdout.split()[0])

    root = "/sys/fs/cgroup"
    assert first(f"{root}/memory.max", f"{root}/memory/memory.limit_in_bytes") == memory
    assert first(f"{root}/pids.max", f"{root}/pids/pids.max") == pids
    host = stack.engine.inspect(service)["HostConfig"]
    assert (host["Memory"], host["PidsLimit"]) == (memory, pids)


def test_the_model_has_no_network(stack: Stack) -> None:
    assert stack.engine.sh("model", "ls /sys/class/net").stdout.split() == ["lo"]
    assert stack.engine.inspect("model")["HostConfig"]["NetworkMode"] == "none"


def test_models_are_listed_with_no_option(stack: Stack) -> None:
    listed = stack.engine.sh("model", "docsort models list --json")
    assert listed.returncode == 0, listed.stderr
    assert [(one["name"], one["version"]) for one in json.loads(listed.stdout)] == [("tiny", "1.0")]


def test_model_with_an_empty_store_waits_and_names_the_command(
    stack: Stack, tmp_path: Path
) -> None:
    """In a folder of another user, which the container may only read."""
    for place in (tmp_path, *tmp_path.parents):
        if place.is_relative_to("/tmp"):
            place.chmod(place.stat().st_mode | 0o011)
    store = tmp_path / "store"
    store.mkdir(mode=0o755)
    options = ["--network", "none", "-v", f"{store}:/store:ro"]
    container = stack.engine.do("run", "-d", *options, "docsort-model").split()[-1]
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while "docsort archive --bundle DIR" not in stack.engine.do("logs", container):
            assert time.monotonic() < deadline
            time.sleep(0.3)
        running = stack.engine.do("inspect", "-f", "{{.State.Running}}", container)
        assert running.strip() == "true"
    finally:
        stack.engine.do("rm", "-f", container)


def test_only_1337_is_published(stack: Stack) -> None:
    published = {name: stack.engine.inspect(name)["NetworkSettings"]["Ports"] for name in SERVICES}
    bound = {port: hosts for port, hosts in published["nginx"].items() if hosts}
    assert {port: [int(host["HostPort"]) for host in hosts] for port, hosts in bound.items()} == {
        "1337/tcp": [stack.port]
    }
    assert not {port: hosts for port, hosts in (published["model"] or {}).items() if hosts}


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_that_builds_or_installs_is_left(stack: Stack, service: str) -> None:
    tools = "pip pip3 gcc cc g++ c++ make ld as javac jlink git curl wget"
    found = stack.engine.sh(service, f"for t in {tools}; do command -v $t; done; true").stdout
    assert found == ""
    if service == "model":
        absent = ["pip", "setuptools", "wheel", *TRAINING]
        code = f"import importlib.util as u; print([m for m in {absent} if u.find_spec(m)])"
        assert stack.engine.sh(service, f'python3 -c "{code}"').stdout.strip() == "[]"


def test_what_is_installed_is_what_the_constraints_name(stack: Stack) -> None:
    code = (
        "import importlib.metadata as m; "
        "print(*[d.name + '==' + d.version for d in m.distributions()], sep=chr(10))"
    )
    lines = stack.engine.sh("model", f'python3 -c "{code}"').stdout.split()
    found = {normal(line.partition("+")[0]) for line in lines}
    pinned = {normal(line) for line in constraints()}
    assert {line for line in found - pinned if not line.startswith("docsort==")} == set()
    assert any(line.startswith("torch==") for line in found)


def constraints() -> list[str]:
    return (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def normal(requirement: str) -> str:
    """As packages are compared: PyPI's names know neither case nor _."""
    return requirement.lower().replace("_", "-").replace(".", "-")


def test_nginx_sees_and_writes_no_more_of_the_model_than_it_needs(stack: Stack) -> None:
    sh = stack.engine.sh
    seen = sh("nginx", "find /run/docsort -name '*.sock' -o -name 'key_file*'; ls /store").stdout
    names = {line.rpartition("/")[2] for line in seen.split()}
    assert names == {"inference.sock", "metrics.sock", "front.sock"}
    for place in ("", "/web", "/nginx.conf"):
        denied = sh("nginx", f"echo x >> /run/docsort/door{place}{'' if '.' in place else '/x'}")
        assert denied.returncode != 0, place
    modes = sh("model", "stat -c '%a %U:%G' /run/docsort /run/docsort/door/inference.sock").stdout
    assert modes.split("\n")[:2] == ["700 docsort:docsort", "660 docsort:nginx"]


@pytest.mark.parametrize("service", SERVICES)
def test_its_health_check_passes(stack: Stack, service: str) -> None:
    config = stack.engine.inspect(service)["Config"]
    check = config["Healthcheck"]["Test"]
    words = " ".join(check[1:])
    assert stack.engine.sh(service, words).returncode == 0


def test_the_secret_is_nowhere_to_be_read(stack: Stack) -> None:
    for service in ("fetch", *SERVICES):
        container = stack.engine.container(service)
        assert stack.secret not in json.dumps(stack.engine.inspect(service))
        assert stack.secret not in stack.engine.do("logs", container)
    for service in SERVICES:
        assert stack.engine.sh(service, "ls /run/secrets").stdout == ""


def test_the_same_versions_serve_after_a_restart_of_each(stack: Stack) -> None:
    before = stack.wait_until_ready()
    for service in SERVICES:
        stack.engine.compose("restart", service)
        assert stack.wait_until_ready() == before
        assert classify(stack).status_code == 200
    stack.engine.do("kill", "--signal", "KILL", stack.engine.container("model"))
    assert httpx.get(f"{stack.url}/readyz").status_code == 503  # though what it left says otherwise
    assert classify(stack).status_code == 503
    stack.engine.do("start", stack.engine.container("model"))  # as its restart policy does
    assert stack.wait_until_ready() == before
    assert classify(stack).status_code == 200


def test_tls_and_api_keys_by_their_own_compose_file(stack: Stack) -> None:
    """The last: from here on the stack speaks TLS."""
    certificate, key = make_certificate(stack.folder)
    keys = stack.folder / "keys"
    keys.mkdir()
    secret = add_key(keys / "keys.txt", "alice")
    os.chown(key, 10001, 10001)
    given = {"TLS_CERTIFICATE": certificate, "TLS_KEY": key, "DOCSORT_KEYS": keys}
    environment = {**stack.engine.environment, **{k: str(v) for k, v in given.items()}}
    replace(stack.engine, environment=environment).compose("up", "-d", tls=True)
    stack.wait_until_ready(certificate)

    def classify(key: str) -> httpx.Response:
        url = stack.url.replace("http:", "https:") + "/predictions/tiny"
        trust = ssl.create_default_context(cafile=certificate)
        return httpx.post(
            url, json={"text": "a bank"}, headers={"X-Api-Key": key}, verify=trust, timeout=60
        )

    assert classify(secret).json()["model"] == {"name": "tiny", "version": "1.0"}
    assert classify("other").json()["error"]["type"] == "unauthorized"
    # the folder is mounted, so that another key counts at once
    remove_key(keys / "keys.txt", "alice")
    assert classify(secret).status_code == 401
    assert classify(add_key(keys / "keys.txt", "bob")).status_code == 200
    assert stack.engine.sh("nginx", "nginx-entry health").returncode == 0
    for service in SERVICES:
        assert secret not in stack.engine.do("logs", stack.engine.container(service))
