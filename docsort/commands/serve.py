"""``docsort serve``: archives on http://127.0.0.1:1337, in the foreground, until Ctrl-C.

docsort serve                              what the store wants, or its newest versions
docsort serve model_store/NAME-1.0.mar     these
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from docsort.serving.settings import DEFAULT_STORE, RUN_DIR_VARIABLE, ServeSettings, default_run_dir

if TYPE_CHECKING:
    from docsort.serving.versions import WantedModel

_POLL_S = 1.0
_SAMPLE = "A filter removes the high frequencies from a sampled signal."


def main(argv: list[str]) -> int:
    """Serve until told to stop. Raises DocsortError when it cannot start, or something dies."""
    _serve(_parser().parse_args(argv))
    return 0


def _serve(options: argparse.Namespace) -> None:
    from docsort.core.disk import full_disk_as_error
    from docsort.serving.store import shared_store
    from docsort.serving.supervisor import Supervisor, prepare, stops_on_signals
    from docsort.serving.torchserve import ignored_overrides

    # a link's own folder and name are not where the store has the archive
    archives: list[Path] = [archive.resolve() for archive in options.archives]
    given = {setting.name: getattr(options, setting.name) for setting in _settings()}
    run_dir = options.run_dir.absolute() if options.run_dir else default_run_dir(options.port)
    store = shared_store(archives) if archives else options.store
    settings = ServeSettings(store=store, run_dir=run_dir, **given)
    programs = prepare(settings)
    console = Console()

    def say(line: str) -> None:
        with suppress(OSError):  # a log that the disk has no room for ends no server
            print(line, flush=True)

    if ignored := ignored_overrides(os.environ):
        say(f"ignored in the environment, and not passed to TorchServe: {', '.join(ignored)}")
    wanted = _find_wanted(store, archives, options.wait_for_archive, say)

    with console.status("starting") as status:
        is_moving = console.is_terminal

        def on_ready() -> None:
            nonlocal is_moving
            is_moving = False
            status.stop()
            for line in _ready_lines(settings, supervisor.wanted):
                say(line)

        def report(line: str) -> None:
            if is_moving:
                status.update(escape(line))
            else:
                say(line)

        # Given archives are a fresh beginning, perhaps beside another server of this store.
        remembers = not archives
        supervisor = Supervisor(settings, wanted, programs, report, on_ready, remembers)
        with stops_on_signals(supervisor.stop), full_disk_as_error(run_dir):
            supervisor.run(keep_run_dir=bool(options.run_dir or os.environ.get(RUN_DIR_VARIABLE)))
    say("ended")


def _find_wanted(
    store: Path, archives: Sequence[Path], waits: bool, say: Callable[[str], None]
) -> "tuple[WantedModel, ...]":
    """What to serve; with ``waits``, once an empty store has an archive."""
    from docsort.serving.wanted import EmptyStoreError, find_wanted

    is_told = False
    while True:
        try:
            return find_wanted(store, archives)
        except EmptyStoreError as error:
            if not waits:
                raise
            if not is_told:
                say(f"waiting for an archive: {error}. In a container, put it into the folder that")
                say(f"is mounted as {store}: with compose.yaml, model_store or $DOCSORT_STORE")
                is_told = True
        time.sleep(_POLL_S)


def _ready_lines(settings: ServeSettings, wanted: "Sequence[WantedModel]") -> list[str]:
    from docsort.serving.wanted import is_read_only

    lines = [f"ready    {settings.url}"]
    for model in wanted:
        versions = ", ".join(version.version for version in model.versions)
        lines.append(f"model    {model.name}: {versions} (default {model.default})")
    lines.append(
        f"try      curl -H 'Content-Type: text/plain' --data '{_SAMPLE}' "
        f"{settings.url}/predictions/{wanted[0].name}"
    )
    if is_read_only(settings.store):
        lines.append(f"store    {settings.store} is read-only: `docsort models` changes nothing")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docsort serve",
        description="Serve archives through TorchServe behind Nginx, in the foreground. With no "
        "archive: what STORE/serving.json wants, else the newest version of each name there.",
    )
    parser.add_argument("archives", nargs="*", type=Path, metavar="ARCHIVE")
    parser.add_argument(
        "--store",
        type=Path,
        default=DEFAULT_STORE,
        help="folder of archives (default: %(default)s)",
    )
    parser.add_argument(
        "--run-dir",
        type=Path,
        help="sockets, configuration, logs and unpacked archives; kept at the end if given "
        "(default: $DOCSORT_RUN_DIR, else $XDG_RUNTIME_DIR/docsort-PORT, or /tmp/docsort-UID-PORT "
        "without one)",
    )
    parser.add_argument(
        "--wait-for-archive",
        action="store_true",
        help="wait while the store is empty, and serve once it has an archive; for containers",
    )
    group = parser.add_argument_group("settings")
    for setting in _settings():
        factory = setting.default_factory
        default = setting.default if factory is MISSING else factory()
        group.add_argument(
            "--" + setting.name.replace("_", "-"),
            type=setting.metadata["read"],
            default=default,
            help=setting.metadata["help"]
            + ("" if default in (None, "") else f" (default: {default})"),
        )
    return parser


def _settings() -> "list[Field[Any]]":
    """The settings that are options as they stand."""
    return [setting for setting in fields(ServeSettings) if "help" in setting.metadata]
