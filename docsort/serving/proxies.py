"""Which proxy and which certificates the environment names for an address. Opens no connection.

httpx reads the same variables, but fails on several of their usual values without naming them.
"""

import ipaddress
import os
import re
import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx

from docsort.core.errors import ConfigError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# One colon, or one behind a bracket: in an IPv6 address there are more.
_WITH_PORT = re.compile(r"([^:]+|\[.+\]):(\d+)")
_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)


@dataclass(frozen=True)
class NamedProxy:
    """A proxy and the environment variable that names it."""

    variable: str
    proxy: httpx.Proxy

    def __str__(self) -> str:
        """The variable and its value, without the password."""
        return f"{self.variable}={self.proxy.url.copy_with(userinfo=b'')}"


def without_credentials(url: str) -> str:
    """A URL as it may be shown: without user, password, query and fragment."""
    return re.split("[?#]", _CREDENTIALS.sub(r"\1", url))[0]


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def proxy_for(url: httpx.URL) -> NamedProxy | None:
    """The proxy to this address: none for this machine and for what NO_PROXY names.

    Raises:
        ConfigError: the proxy's variable has a value that cannot be used.
    """
    if is_loopback(url.host) or _bypassed(url, _variable("NO_PROXY")[1]):
        return None
    for name in (f"{url.scheme.upper()}_PROXY", "ALL_PROXY"):
        variable, value = _variable(name)
        if value:
            return _named(variable, value, url.host)
    return None


def certificates() -> ssl.SSLContext:
    """The certificates to trust: of SSL_CERT_FILE or SSL_CERT_DIR, else httpx's own.

    Raises:
        ConfigError: what the variable names cannot be read.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and folder and not Path(folder).is_dir():
        raise ConfigError(f"SSL_CERT_DIR={folder} is no folder; name one of certificates, or unset")
    variable = "SSL_CERT_FILE"
    try:
        if file:
            return ssl.create_default_context(cafile=file)
        if folder:
            return ssl.create_default_context(capath=folder)
        return httpx.create_ssl_context(trust_env=False)
    except OSError as error:
        if error.filename and error.filename == os.environ.get("SSLKEYLOGFILE"):
            variable = "SSLKEYLOGFILE"
        raise ConfigError(
            f"{variable}={os.environ.get(variable)} cannot be used ({error.strerror}); name a PEM "
            "file, or unset it"
        ) from None


def _named(variable: str, value: str, host: str) -> NamedProxy:
    shown = f"{variable}={without_credentials(value)}"
    instead = f"correct it, unset it, or add {host} to NO_PROXY"
    try:
        url = httpx.URL(value if "://" in value else f"http://{value}")
        url.host.encode("idna")  # as the look-up of its address will
    except (httpx.InvalidURL, UnicodeError):
        raise ConfigError(f"{shown} is not the address of a proxy; {instead}") from None
    if url.scheme not in _SCHEMES or not url.host:
        raise ConfigError(
            f"{shown} is not accepted; a proxy begins with {', '.join(_SCHEMES)}; {instead}"
        )
    if url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigError(
            f"{shown} is a SOCKS proxy, for which the package socksio is missing; install "
            f"httpx[socks], unset {variable}, or add {host} to NO_PROXY"
        )
    context = certificates() if url.scheme == "https" else None
    return NamedProxy(variable, httpx.Proxy(url, ssl_context=context))


def _variable(name: str) -> tuple[str, str]:
    """A variable's name as it is set, and its value; as everywhere, lower case comes first."""
    for spelling in (name.lower(), name):
        if value := os.environ.get(spelling, "").strip():
            return spelling, value
    return name, ""


def _bypassed(url: httpx.URL, no_proxy: str) -> bool:
    """Whether a list of names, addresses and networks has the URL's host."""
    address = _address(url.host)
    for entry in re.split(r"[\s,]+", no_proxy.lower()):
        with_port = _WITH_PORT.fullmatch(entry)
        host, port = with_port.groups() if with_port else (entry, None)
        if port and int(port) != (url.port or _DEFAULT_PORTS.get(url.scheme)):
            continue
        name = host.strip("[]").lstrip("*.")
        if host == "*" or (name and f".{url.host}".endswith(f".{name}")):
            return True
        if address is not None and _is_in(address, name):
            return True
    return False


def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
