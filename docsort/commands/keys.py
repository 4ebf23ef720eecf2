"""``docsort keys``: API keys in a file that a running server follows.

docsort keys add alice --file api-keys.txt       prints the key, this once
docsort keys remove alice --file api-keys.txt
docsort keys list --file api-keys.txt
"""

import argparse
from pathlib import Path


def main(argv: list[str]) -> int:
    """Change or read the file. Raises ConfigError."""
    from docsort.serving.keys import add_key, read_keys, remove_key

    arguments = _parser().parse_args(argv)
    if arguments.do == "add":
        print(add_key(arguments.file, arguments.name))
    elif arguments.do == "remove":
        remove_key(arguments.file, arguments.name)
    else:
        print("".join(f"{name}\n" for name in read_keys(arguments.file)), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docsort keys",
        description="API keys for `docsort serve --api-keys FILE`. The file holds names and "
        "hashes; running servers follow it from one request to the next.",
    )
    verbs = parser.add_subparsers(dest="do", required=True, metavar="add|remove|list")
    for verb, does in (
        ("add", "make a key and print it, this once"),
        ("remove", "refuse a key from now on"),
        ("list", "the keys' names"),
    ):
        each = verbs.add_parser(verb, help=does, description=does)
        if verb != "list":
            each.add_argument("name", help="whose key it is; stands in the access log")
        each.add_argument("--file", type=Path, required=True, help="the file of keys")
    return parser
