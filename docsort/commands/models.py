"""``docsort models``: the versions of a running ``docsort serve``, changed with no failed request.

docsort models list
docsort models register model_store/NAME-2.0.mar
docsort models canary NAME 2.0 --percent 10
docsort models promote NAME 2.0
docsort models rollback NAME
docsort models retire NAME 1.0
"""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from docsort.serving.settings import DEFAULT_PORT, default_run_dir

_SHOWN_SHA256 = 12


def main(argv: list[str]) -> int:
    """Ask the supervisor and print its answer. Raises ServingError where it refuses."""
    options = vars(_parser().parse_args(argv))
    what, run_dir, port = options.pop("what"), options.pop("run_dir"), options.pop("port")
    as_json = options.pop("json", False)
    if "file" in options:
        options["file"] = str(options["file"].resolve())
    from docsort.serving.control_client import ask

    socket = (run_dir or default_run_dir(port)) / "control.sock"
    with Console(stderr=True).status(f"{what} …"):
        answer = ask(socket, what, **options)
    if what == "list":
        _print_versions(answer, as_json)
    else:
        print(answer)
    return 0


def _print_versions(versions: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(versions, indent=2))
        return
    table = Table("name", "version", "answers", "workers", "ready", "registered (UTC)", "SHA-256")
    for one in versions:
        table.add_row(
            one["name"],
            one["version"],
            _role(one),
            str(one["workers"]),
            "yes" if one["ready"] else one["state"],
            one["registered"].removesuffix("+00:00"),
            one["sha256"][:_SHOWN_SHA256],
        )
    Console().print(table, markup=False)


def _role(version: dict[str, Any]) -> str:
    if version["state"] in ("retiring", "left out"):
        return "nobody"
    if version["default"]:
        return "default"
    if version["canary_withdrawn"]:
        return "if named; canary withdrawn"
    percent = version["canary_percent"]
    return f"{percent} %" if percent else "if named"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docsort models",
        description="Versions of a running docsort serve. What is refused changes nothing.",
    )
    where = argparse.ArgumentParser(add_help=False)
    which = where.add_mutually_exclusive_group()
    which.add_argument(
        "--run-dir", type=Path, help="the server's, if it was given one (default: $DOCSORT_RUN_DIR)"
    )
    which.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="the server's (default: %(default)s)"
    )
    verbs = parser.add_subparsers(dest="what", required=True, metavar="WHAT")

    def verb(name: str, does: str, *arguments: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, parents=[where], help=does, description=does)
        for argument in arguments:
            one.add_argument(argument.lower(), metavar=argument)
        return one

    listing = verb("list", "versions, and how each fares")
    listing.add_argument("--json", action="store_true", help="with whole SHA-256 sums")
    registering = verb("register", "take an archive into the store and load it")
    registering.add_argument("file", type=Path, metavar="FILE")
    registering.add_argument("--sha256", help="refuse an archive that has another one")
    promoting = verb(
        "promote", "let a version answer all who name none; ends a canary", "NAME", "VERSION"
    )
    verb("rollback", "let the previous default answer again; ends a canary", "NAME")
    canary = verb(
        "canary", "let a version answer a share of those who name none", "NAME", "VERSION"
    )
    canary.add_argument("--percent", type=int, required=True, help="of the requests; 0 ends it")
    for changing in (promoting, canary):
        changing.add_argument(
            "--force", action="store_true", help="even if its task is not the default's"
        )
    verb("retire", "unload a version once it has answered all it has", "NAME", "VERSION")
    return parser
