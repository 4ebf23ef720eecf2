"""``docsort fetch``: an archive from a URL into the store, before serving; what the container runs.

MODEL_URL=s3://bucket/NAME-1.0.mar MODEL_SHA256=… docsort fetch --store model_store
"""

import argparse
import os
from pathlib import Path

from docsort.serving.fetch import fetch, read_credentials, redacted, refuse_signed
from docsort.serving.settings import DEFAULT_STORE, MAX_ARCHIVE_BYTES

_CREDENTIALS = Path("/run/secrets/model_credentials")


def main(argv: list[str]) -> int:
    """Fetch what MODEL_URL names; nothing where it is empty. Raises DocsortError."""
    options = _parser().parse_args(argv)
    credentials = read_credentials(options.credentials or _mounted_credentials())
    # a signed URL is a secret as a whole
    url = str(credentials.pop("url", ""))
    if not url:
        url = os.environ.get("MODEL_URL", "")
        refuse_signed(url)
    if not url:
        print("no MODEL_URL: nothing to fetch")
        return 0
    sha256 = os.environ.get("MODEL_SHA256", "")
    file, is_new = fetch(url, sha256, options.store, credentials, options.max_bytes)
    print(f"fetched {redacted(url)} to {file}" if is_new else f"{file} is there already")
    return 0


def _mounted_credentials() -> Path | None:
    """Compose mounts a file in any case, with the mode that it has in the clone.

    Where nobody named one, it says so by an empty word.
    """
    return None if os.environ.get("MODEL_CREDENTIALS") == "" else _CREDENTIALS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docsort fetch",
        description="Fetch an archive into the store: MODEL_URL (file, https or s3) names it, and "
        "MODEL_SHA256 what it must be. Nothing is done where MODEL_URL is empty.",
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=DEFAULT_STORE,
        help="folder of archives (default: %(default)s)",
    )
    parser.add_argument(
        "--credentials",
        type=Path,
        help="JSON file of fsspec's options for the URL, and of the url where it is a secret "
        f"(default: {_CREDENTIALS}, unless MODEL_CREDENTIALS is there and empty)",
    )
    parser.add_argument(
        "--max-bytes",
        type=int,
        default=MAX_ARCHIVE_BYTES,
        help="of the archive (default: %(default)s)",
    )
    return parser
