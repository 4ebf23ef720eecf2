"""Proxies and certificates that the environment names, and those that cannot be used."""

from pathlib import Path

import httpx
import pytest

from docsort.core.errors import ConfigError
from docsort.serving.proxies import certificates, proxy_for

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
PROXY = "http://proxy:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_used"),
    [
        ("http://127.0.0.1:1337", "", False),
        ("http://127.1.2.3", "", False),
        ("http://[::1]:1337", "", False),
        ("http://localhost:1337", "", False),
        ("http://10.1.2.3", "", True),
        ("http://10.1.2.3", "10.0.0.0/8", False),
        ("http://11.1.2.3", "10.0.0.0/8, 192.168.0.0/16", True),
        ("http://[fd00::1]", "fd00::/8,::1/128", False),
        ("http://a.example", "example", False),
        ("http://a.example", ".example other", False),
        ("http://a.example", "*.example", False),
        ("http://example", "a.example", True),
        ("http://notexample", "example", True),
        ("http://a.example", "*", False),
        ("http://a.example:81", "a.example:81", False),
        ("http://a.example", "a.example:81", True),
        ("http://a.example", ",", True),
    ],
)
def test_proxy_is_used_unless_the_host_is_local_or_in_no_proxy(
    url: str, no_proxy: str, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(httpx.URL(url)) is not None) == is_used


def test_variable_of_the_scheme_and_lower_case_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("HTTPS_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", "http://other:1")
    monkeypatch.setenv("http_proxy", "user:s3cret@third:2")
    assert str(proxy_for(httpx.URL("https://a.example"))) == f"ALL_PROXY={PROXY}"
    assert str(proxy_for(httpx.URL("http://a.example"))) == "http_proxy=http://third:2"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("socks5://user:s3cret@proxy:1080", "HTTP_PROXY=socks5://proxy:1080 is a SOCKS proxy"),
        ("http://user:s3cret@a:b:c", "HTTP_PROXY=http://a:b:c is not the address of a proxy"),
        ("ftp://user:s3cret@proxy", "HTTP_PROXY=ftp://proxy is not accepted"),
        ("http://", "HTTP_PROXY=http:// is not accepted"),
        ("http://user:s3cret@a..b", "HTTP_PROXY=http://a..b is not the address of a proxy"),
    ],
)
def test_proxy_that_cannot_be_used_is_told_by_its_variable(
    value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(ConfigError) as refused:
        proxy_for(httpx.URL("http://a.example"))
    assert str(refused.value).startswith(told)
    assert "a.example to NO_PROXY" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"])
def test_certificates_that_are_missing_are_told_by_their_variable(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "missing" / "file"))
    with pytest.raises(ConfigError, match=f"^{variable}={tmp_path}"):
        certificates()


def test_file_without_certificates_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))
    with pytest.raises(ConfigError, match=r"^SSL_CERT_FILE=.*empty\.pem cannot be used"):
        certificates()
