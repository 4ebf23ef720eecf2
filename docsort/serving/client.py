"""A client of the endpoint: texts to the answers that its contract describes. Knows no bundle."""

import json
import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from docsort.core.errors import ConfigError, RequestError, ServingError
from docsort.core.rest import MAX_DOCUMENTS
from docsort.serving.mar import NAME, NAME_RULE
from docsort.serving.proxies import NamedProxy, certificates, proxy_for, without_credentials

# Well under the endpoint's default limit of 1 MiB; one larger document goes alone.
_MAX_PART_BYTES = 1 << 19
_TIMEOUT_S = 300.0
_KEY = re.compile("[!-~]+")


def classify_at(
    url: str,
    model: str,
    texts: Sequence[str],
    version: str | None = None,
    top_k: int | None = None,
    api_key: str | None = None,
) -> list[dict[str, Any]]:
    """The endpoint's answers to ``texts``, in their order; sent in parts that it accepts.

    Raises:
        ConfigError: ``url`` is none, or ``api_key`` cannot be one.
        RequestError: the endpoint refuses; ``index`` is the document's place in ``texts``.
        ServingError: it does not answer, or what answers is no docsort.
    """
    parameters = {} if top_k is None else {"parameters": {"top_k": top_k}}
    if api_key and not _KEY.fullmatch(api_key):  # httpx would show it in its refusal
        raise ConfigError(
            "the API key holds a space, a line break or another character that no key has; give "
            "it as `docsort keys add` printed it"
        )
    names = [model, *([version] if version else [])]
    for option, name in zip(("--model", "--version"), names, strict=False):
        if not NAME.match(name):
            raise ConfigError(f"{option} {name!a} is not accepted; it must be {NAME_RULE}")
    endpoint = _endpoint(url, "/".join(["predictions", *names]))
    answers: list[dict[str, Any]] = []
    with _client(endpoint, api_key) as client:
        for part in _parts(texts):
            body = json.dumps({"inputs": part, **parameters}).encode()
            answers.extend(_classify_part(client, endpoint, body, len(part), len(answers)))
    return answers


@dataclass(frozen=True, kw_only=True)
class _Endpoint:
    """Where to ask.

    Attributes:
        url: without credentials, so that no message and no log has them.
        auth: the user and password that the user's URL has, for a server in front.
        proxy: what the environment names for this address.
    """

    url: httpx.URL
    auth: tuple[str, str] | None
    proxy: NamedProxy | None

    def __str__(self) -> str:
        through = f" (through the proxy {self.proxy})" if self.proxy else ""
        return f"{self.url}{through}"


def _endpoint(url: str, path: str) -> _Endpoint:
    """Raises ConfigError where ``url``, or a proxy, is no address."""
    try:
        given = httpx.URL(url)
        given.host.encode("idna")  # as the look-up of its address will
    except (httpx.InvalidURL, UnicodeError):
        given = httpx.URL("")
    if given.scheme not in ("http", "https") or not given.host or given.query or given.fragment:
        raise ConfigError(
            f"--url: {without_credentials(url)} is not an address; give one such as "
            "http://127.0.0.1:1337, without a query"
        )
    auth = (given.username, given.password) if given.userinfo else None
    base = given.copy_with(userinfo=b"", path=f"{given.path.rstrip('/')}/{path}")
    return _Endpoint(url=base, auth=auth, proxy=proxy_for(base))


def _client(endpoint: _Endpoint, api_key: str | None) -> httpx.Client:
    headers = {}
    if api_key and endpoint.auth:  # the URL's password takes the header Authorization
        headers = {"X-Api-Key": api_key}
    elif api_key:
        headers = {"Authorization": f"Bearer {api_key}"}
    return httpx.Client(
        timeout=_TIMEOUT_S,
        headers=headers,
        auth=endpoint.auth,
        verify=certificates() if endpoint.url.scheme == "https" else False,
        proxy=endpoint.proxy.proxy if endpoint.proxy else None,
        trust_env=False,  # proxies.py reads the environment
    )


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for text in texts:
        length = len(json.dumps(text))  # ASCII: as many bytes as characters
        if part and (size + length > _MAX_PART_BYTES or len(part) == MAX_DOCUMENTS):
            yield part
            part, size = [], 0
        part.append(text)
        size += length
    if part:
        yield part


def _classify_part(
    client: httpx.Client, endpoint: _Endpoint, body: bytes, num_texts: int, before: int
) -> list[dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    try:
        response = client.post(endpoint.url, content=body, headers=headers)
    except httpx.TransportError as error:
        raise ServingError(_unreachable(endpoint, error)) from error
    try:
        content = response.json()
        if response.is_success and len(content) == num_texts:
            return list(content)
        refusal = content["error"]
        index = refusal.get("index")
        refused = RequestError(
            refusal["code"],
            refusal["type"],
            f"{endpoint.url} answers {refusal['code']}: {refusal['message']}",
            None if index is None else index + before,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServingError(
            f"{endpoint} answers {response.status_code}, and not as docsort would; check --url"
        ) from error
    raise refused


def _unreachable(endpoint: _Endpoint, error: httpx.TransportError) -> str:
    """What failed and what to do: the proxy, the certificate, TLS, or the server."""
    tls = _tls_error(error)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return (
            f"{endpoint}: its certificate is not trusted ({tls.verify_message}); name the PEM file "
            "of its CA in SSL_CERT_FILE, and in --url the host that the certificate is for"
        )
    if tls is not None:
        return f"{endpoint} does not speak TLS as it should ({tls.reason}); http instead of https?"
    is_of_proxy = isinstance(error, httpx.ProxyError | httpx.ConnectError | httpx.ConnectTimeout)
    if endpoint.proxy and is_of_proxy:
        return (
            f"the proxy {endpoint.proxy} does not answer or refuses ({error}); correct or unset "
            f"{endpoint.proxy.variable}, or add {endpoint.url.host} to NO_PROXY"
        )
    return f"{endpoint} does not answer ({error}); is `docsort serve` running there?"


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The first of TLS among an error and its causes."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause
