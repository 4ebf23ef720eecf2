"""Fault 8: what can be reached from outside, when all of TorchServe's API is tried on our port.

Paths are sent as they stand, so that encoded and climbing ones arrive, each with a document, which
Nginx would pass on; each must be refused by our own JSON, or be the very answer of one of the
contract's own paths.
"""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from benchmarks.faults.target import Target

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")
# Inference, management, metrics, workflow, KServe and SageMaker paths of TorchServe 0.12.
TORCHSERVE = """
ping api-description predictions predictions/{model} explanations/{model}
explanations/{model}/{version} models models?limit=100 models?url=x.mar models/{model}
models/{model}/{version} models/{model}/all models/{model}?min_worker=0
models/{model}/{version}/set-default models/{model}/{version}?customized=true metrics
metrics?name[]=Requests2XX token?type=management workflows workflows?url=x.war workflows/x
wfpredict/x invocations v1/models/{model}:predict v1/models/{model} v2 v2/health/live
v2/models/{model}/infer system/version gatekeeper errors/busy.json page.html web/page.html
nginx.conf key_file.json
""".split()  # noqa: SIM905
_ORIGIN = "http://torchserve"
_DOCUMENT = b"bank"
CONTRACT = ("/", "/livez", "/readyz", "/openapi.json")


@dataclass(frozen=True)
class Reached:
    """How many requests were sent, and which got something that is not the contract's."""

    num_requests: int
    findings: list[str]
    same_models: bool

    @property
    def held(self) -> bool:
        return not self.findings and self.same_models


def walk(target: Target) -> Reached:
    """Try all of it; then see that nothing has changed."""
    workers = target.workers()
    prediction = f"/predictions/{target.model}"
    pages = {_ask(target, "GET", path)[1] for path in CONTRACT}
    predicted = {_ask(target, "POST", prediction)[1]}
    findings, num = [], 0
    for method, path in _requests(target):
        num += 1
        status, body = _ask(target, method, path)
        asks_model = method == "POST" and _resolved(path) == prediction
        if not _is_ours(status, body, method, predicted if asks_model else pages):
            findings.append(f"{method} {path!r}: {status} {body[:80]!r}")
    return Reached(num, findings, target.workers() == workers)


def _requests(target: Target) -> Iterator[tuple[str, str]]:
    for each in TORCHSERVE:
        path = each.format(model=target.model, version=target.version)
        for variant in _variants(path):
            for method in METHODS:
                yield method, variant


def _variants(path: str) -> Iterator[str]:
    """The same path, dressed up as it might slip through a proxy's patterns."""
    yield "/" + path
    yield "//" + path
    yield "/./" + path
    yield "/" + path + "/"
    yield "/" + path.upper()
    yield "/" + "".join(f"%{ord(c):02x}" if c.isalpha() else c for c in path)
    yield "/" + "".join(f"%25{ord(c):02x}" if c.isalpha() else c for c in path)
    yield "/" + path.replace("/", "%2f") + "%00"
    yield "/" + path.replace("/", "\\")
    yield f"{_ORIGIN}/{path}"
    for prefix in ("predictions", "livez", "predictions/x"):
        for climb in ("..", "%2e%2e", ".%2e", "..;", "%252e%252e", "..%2f..", "..%5c"):
            yield f"/{prefix}/{climb}/{path}"
    yield f"/predictions/x%20HTTP/1.1%0d%0aHost:%20y%0d%0a%0d%0aGET%20/{path}"


def _resolved(path: str) -> str:
    """The path that is meant, as Nginx reads one: decoded once, without steps up and down."""
    parts: list[str] = []
    for part in unquote(path.removeprefix(_ORIGIN).partition("?")[0]).split("/")[1:]:
        if part == "..":
            del parts[-1:]
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def _ask(target: Target, method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*target.address, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in {**target.headers(), "Content-Length": str(len(_DOCUMENT))}.items():
            connection.putheader(name, value)
        connection.endheaders(_DOCUMENT)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _is_ours(status: int, body: bytes, method: str, allowed: set[bytes]) -> bool:
    if method == "HEAD":
        return status == 200 or 400 <= status < 500  # which of the two its GET tells
    if status == 200:
        return method in ("GET", "POST") and body in allowed
    try:
        error = json.loads(body)["error"]
        return 400 <= status < 500 and error["code"] == status and "type" in error
    except (ValueError, KeyError, TypeError):
        return False
