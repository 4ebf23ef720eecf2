"""``docsort serve``: archives on http://127.0.0.1:1337, in the foreground, until Ctrl-C.

docsort serve                              what the store wants, or its newest versions
docsort serve model_store/NAME-1.0.mar     these
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from docsort.serving.wanted import WantedModel

_SETTINGS = (
    "host",
    "port",
    "workers",
    "threads",
    "batch_size",
    "batch_delay_ms",
    "queue_size",
    "max_body_bytes",
    "response_timeout_s",
    "startup_timeout_s",
    "drain_timeout_s",
)
_SAMPLE = "A filter removes the high frequencies from a sampled signal."


def main(argv: list[str]) -> int:
    """Serve until told to stop. Raises DocsortError when it cannot start, or something dies."""
    _serve(_parser().parse_args(argv))
    return 0


def _serve(options: argparse.Namespace) -> None:
    from docsort.serving.settings import ServeSettings, default_run_dir
    from docsort.serving.store import shared_store
    from docsort.serving.supervisor import Supervisor, prepare, stops_on_signals
    from docsort.serving.wanted import find_wanted

    archives: list[Path] = options.archives
    given = {
        name: getattr(options, name) for name in _SETTINGS if getattr(options, name) is not None
    }
    run_dir = (
        options.run_dir.absolute() if options.run_dir else default_run_dir(options.port or 1337)
    )
    store = shared_store(archives) if archives else options.store
    settings = ServeSettings(store=store, run_dir=run_dir, **given)
    programs = prepare(settings)
    wanted = find_wanted(store, archives)
    console = Console()
    with console.status("starting") as status:
        is_moving = console.is_terminal

        def on_ready() -> None:
            nonlocal is_moving
            is_moving = False
            status.stop()
            for line in _ready_lines(settings.url, wanted):
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        def report(line: str) -> None:
            if is_moving:
                status.update(line)
            else:
                print(line, flush=True)

        supervisor = Supervisor(settings, wanted, programs, report, on_ready)
        with stops_on_signals(supervisor.stop):
            supervisor.run(keep_run_dir=options.run_dir is not None)
    console.print("ended")


def _ready_lines(url: str, wanted: "tuple[WantedModel, ...]") -> list[str]:
    lines = [f"ready    {url}"]
    for model in wanted:
        versions = ", ".join(version.version for version in model.versions)
        lines.append(f"model    {model.name}: {versions} (default {model.default})")
    lines.append(
        f"try      curl -H 'Content-Type: text/plain' --data '{_SAMPLE}' "
        f"{url}/predictions/{wanted[0].name}"
    )
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="docsort serve",
        description="Serve archives through TorchServe behind Nginx, in the foreground. With no "
        "archive: what STORE/serving.json wants, else the newest version of each name there.",
    )
    parser.add_argument("archives", nargs="*", type=Path, metavar="ARCHIVE")
    parser.add_argument("--store", type=Path, default=Path("model_store"), help="%(default)s")
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="default: 1337")
    parser.add_argument(
        "--run-dir", type=Path, help="sockets, configuration and logs; kept at the end if given"
    )
    limits = parser.add_argument_group("capacity")
    limits.add_argument("--workers", type=int, help="processes a version (default: 1)")
    limits.add_argument("--threads", type=int, help="threads a worker (default: all cores)")
    limits.add_argument("--batch-size", type=int, help="requests scored together (default: 32)")
    limits.add_argument("--batch-delay-ms", type=int, help="wait to fill a batch (default: 5)")
    limits.add_argument("--queue-size", type=int, help="requests that may wait (default: 100)")
    limits.add_argument("--max-body-bytes", type=int, help="a request's size (default: 1048576)")
    limits.add_argument("--response-timeout-s", type=int, help="one batch's time (default: 120)")
    limits.add_argument("--startup-timeout-s", type=int, help="a version's loading (default: 120)")
    limits.add_argument("--drain-timeout-s", type=int, help="requests in flight (default: 30)")
    return parser
