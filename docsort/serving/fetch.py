"""Brings one archive from a URL into the store: whole, with the SHA-256 asked for, or not at all.

Knows no model: what the bytes hold is checked when they are served. Imports nothing heavy, so that
the image that has a network and credentials has little else.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from docsort.core.errors import ArchiveError, ConfigError
from docsort.core.hashing import file_sha256
from docsort.serving import leftovers

SCHEMES = ("file", "https", "s3")
_BLOCK_BYTES = 1 << 20
_PARTIAL = ".fetching-"
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\.mar\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def read_credentials(file: Path | None) -> dict[str, Any]:
    """fsspec's options for the URL's scheme, from a JSON file; none where there is no file.

    Raises:
        ConfigError: it cannot be read, or is no JSON object. Its content is never in the message.
    """
    if file is None or not file.exists():
        return {}
    try:
        options = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the credentials {file} cannot be read ({error.strerror}) by uid {os.getuid()}; give "
            "the file to that uid"
        ) from None
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise ConfigError(
            f"the credentials {file} are no JSON object of fsspec's options, such as "
            '{"key": "…", "secret": "…"} for s3'
        )
    return options


def fetch(
    url: str, sha256: str, store: Path, options: dict[str, Any], max_bytes: int
) -> tuple[Path, bool]:
    """The archive's file in the store, and whether it came now: one that is there stays.

    Raises:
        ConfigError: the URL or the hash is not accepted.
        ArchiveError: it cannot be read, is too large, has another SHA-256, or would replace one.
    """
    name = checked_name(url)
    sha256 = sha256.lower()
    if not _SHA256.match(sha256):
        raise ConfigError("MODEL_SHA256 must be the archive's SHA-256, 64 hexadecimal digits")
    target = store / name
    leftovers.clear(store, _PARTIAL)  # of killed fetches, up to an archive each
    if target.exists():
        if file_sha256(target) != sha256:
            raise ArchiveError(
                f"{target} is there already and has another SHA-256 than {sha256}; an archive is "
                "never replaced: give the new one another version"
            )
        return target, False
    try:
        _publish(url, sha256, target, options, max_bytes)
    except OSError as error:
        raise ArchiveError(f"{target} cannot be written: {error.strerror}") from None
    return target, True


def checked_name(url: str) -> str:
    """The file's name that a URL ends with. Raises ConfigError."""
    parts = _split(url)
    name = parts.path.rpartition("/")[2]
    if parts.scheme not in SCHEMES:
        raise ConfigError(
            f"MODEL_URL {redacted(url)} is not accepted; its scheme must be {', '.join(SCHEMES)}"
        )
    if parts.username or parts.password:
        raise ConfigError(
            f"MODEL_URL {redacted(url)} holds a user or password, and whoever lists the "
            "environment would see it; put it into the secret model_credentials"
        )
    if not _FILE.match(name):
        raise ConfigError(f"MODEL_URL {redacted(url)} must end with an archive's name, NAME.mar")
    return name


def refuse_signed(url: str) -> None:
    """For a URL that stands where others see it. Raises ConfigError if it has a query."""
    if _split(url).query:
        raise ConfigError(
            f"MODEL_URL {redacted(url)} has a query, which may be a signature, and whoever lists "
            "the environment would see it; put the whole URL into the secret model_credentials: "
            '{"url": "…"}'
        )


def redacted(url: str) -> str:
    """A URL without what may be a secret: its user, its password, its query. Raises ConfigError."""
    parts = _split(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # no number: a password with a slash, of which the rest is in the path
        return parts
    except ValueError:  # says what stands before the path, a password too
        raise ConfigError(
            "MODEL_URL is no URL: what stands between // and the path is neither a host's name "
            "nor an address"
        ) from None


def _publish(url: str, sha256: str, target: Path, options: dict[str, Any], max_bytes: int) -> None:
    with (
        tempfile.NamedTemporaryFile(prefix=_PARTIAL, dir=target.parent) as partial,
        leftovers.held(Path(partial.name)),
    ):
        found = _download(url, options, partial, max_bytes)
        if found != sha256:
            raise ArchiveError(
                f"{redacted(url)} has the SHA-256 {found}, and not {sha256}, which was asked for"
            )
        partial.flush()
        os.fsync(partial.fileno())
        os.chmod(partial.name, 0o644)
        os.link(partial.name, target)  # whole, and never over another


def _download(url: str, options: dict[str, Any], partial: Any, max_bytes: int) -> str:
    """Copy what the URL gives; its SHA-256."""
    import fsspec

    digest = hashlib.sha256()
    size = 0
    with _opened(fsspec, url, options) as source:
        while block := _next_block(source, url):
            size += len(block)
            if size > max_bytes:
                raise ArchiveError(f"{redacted(url)} has over {max_bytes} bytes, the most accepted")
            digest.update(block)
            partial.write(block)
    return digest.hexdigest()


def _opened(fsspec: Any, url: str, options: dict[str, Any]) -> Any:
    try:
        filesystem, path = fsspec.core.url_to_fs(url, **options)
        # read on from where one is, with nothing kept: an archive is read once, from its beginning
        return filesystem.open(path, "rb", cache_type="readahead", block_size=8 * _BLOCK_BYTES)
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed; install docsort[fetch]") from None
    except Exception as error:
        raise _unreadable(url, error) from None


def _next_block(source: Any, url: str) -> bytes:
    try:
        block: bytes = source.read(_BLOCK_BYTES)
    except Exception as error:
        raise _unreadable(url, error) from None
    return block


def _unreadable(url: str, error: Exception) -> ArchiveError:
    """A library's own message may hold the URL's secrets, so its kind must do."""
    kinds = list(_kinds(error))
    if any("Certificate" in kind or "SSL" in kind for kind in kinds):
        step = (
            "its certificate is not trusted: name the PEM file of its CA in SSL_CERT_FILE, or for "
            "s3 in AWS_CA_BUNDLE"
        )
    elif any("Proxy" in kind for kind in kinds):
        step = "see that the proxy that HTTPS_PROXY names answers"
    else:
        step = "see that it exists, and that the secret model_credentials may read it"
    return ArchiveError(f"{redacted(url)} cannot be read ({kinds[0]}); {step}")


def _kinds(error: BaseException | None) -> Iterator[str]:
    """The types of an error and of its causes: fsspec makes most of them a FileNotFoundError."""
    while error is not None:
        yield type(error).__name__
        error = error.__cause__ or error.__context__
