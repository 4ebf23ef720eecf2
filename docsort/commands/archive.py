"""``docsort archive``: a bundle becomes a proved archive in the model store.

docsort archive --bundle runs/…/bundle --name library-docs --version 1.0
"""

import argparse
from pathlib import Path

from rich.console import Console

from docsort.serving.settings import DEFAULT_STORE


def main(argv: list[str]) -> int:
    """Publish and name the archive on the last line. Raises DocsortError."""
    options = _parser().parse_args(argv)
    from docsort.serving.archive import build_archive

    console = Console(stderr=True)
    with console.status("packing the bundle, then proving it in a fresh process …"):
        path = build_archive(options.bundle, options.name, options.version, options.store)
    print(f"archive  {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docsort archive",
        description="Pack a bundle, the handler and the code it needs into STORE/NAME-VERSION.mar, "
        "and prove in a fresh process that it gives the bundle's golden answers. The same bundle "
        "gives the same bytes.",
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder that train wrote")
    parser.add_argument(
        "--name", help="name to serve under (default: the one it was trained under)"
    )
    parser.add_argument("--version", default="1.0", help="default: %(default)s")
    parser.add_argument(
        "--store", type=Path, default=DEFAULT_STORE, help="model store (default: %(default)s)"
    )
    return parser
