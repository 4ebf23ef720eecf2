"""The command line: ``docsort VERB``. Picks the verb's file; imports nothing heavy before it."""

import importlib
import os
import sys

from docsort.commands.streams import closed_pipe_as_status, mute_full, prepare_streams
from docsort.core.disk import environment_error
from docsort.core.errors import USER_ERROR, DocsortError, StoppedError

VERBS = {
    "audit": "read labelled data and tell what is wrong with it",
    "train": "fine-tune, evaluate, write bundle and report",
    "evaluate": "score a bundle or a checkpoint on labelled data",
    "archive": "pack a bundle into an archive (.mar) in the model store",
    "fetch": "bring an archive from a URL into the model store",
    "serve": "serve archives by TorchServe behind Nginx on port 1337",
    "keys": "make and remove the API keys of a server",
    "models": "list, register, promote, roll back, canary and retire versions while they serve",
    "classify": "classify documents by a bundle or by a server",
    "score": "classify a whole file",
}


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status.

    0, or 2 when the user can put the error right, or 130 (Ctrl-C) or 143 (SIGTERM) when stopped, or
    141 when nobody reads the output any more.
    """
    prepare_streams()
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return closed_pipe_as_status(lambda: _main(arguments))
    except Exception as error:
        if (told := environment_error(error)) is None:
            raise
        mute_full()
        print(f"{' '.join(['docsort', *arguments[:1]])}: {told}", file=sys.stderr)
        return USER_ERROR


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else USER_ERROR
    verb, rest = arguments[0], arguments[1:]
    if verb in ("-V", "--version"):
        from docsort import __version__

        print(f"docsort {__version__}")
        return 0
    if verb not in VERBS:
        print(f"docsort: there is no verb {verb!r}\n\n{usage()}", file=sys.stderr)
        return USER_ERROR
    return _run(verb, rest)


def usage() -> str:
    """The verbs, a line each."""
    lines = [f"  {verb:<10}{does}" for verb, does in VERBS.items()]
    return "usage: docsort VERB …\n\n" + "\n".join(lines) + "\n\ndocsort VERB --help tells more."


def _run(verb: str, arguments: list[str]) -> int:
    # transformers draws a progress bar for reading a few megabytes of local weights
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # tokenizers warns, and turns itself off, when a process forks after its threads have run
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        status: int = importlib.import_module(f"docsort.commands.{verb}").main(arguments)
        return status
    except DocsortError as error:
        print(f"docsort {verb}: {error}", file=sys.stderr)
        return USER_ERROR
    except StoppedError as stopped:
        print(f"docsort {verb}: {stopped}", file=sys.stderr)
        return stopped.exit_status
    except KeyboardInterrupt:
        print(f"docsort {verb}: stopped", file=sys.stderr)
        return 130
