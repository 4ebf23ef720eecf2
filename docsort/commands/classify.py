"""``docsort classify``: documents from arguments, files or standard input, one answer each."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from docsort.core.errors import ConfigError, DataError, RequestError

EXCERPT_CHARACTERS = 60
API_KEY_VARIABLE = "DOCSORT_API_KEY"  # not an option: those show in process lists


def main(argv: list[str]) -> int:
    """Print one answer a document: a table, or with ``--json`` a line of JSON each."""
    arguments = _parser().parse_args(argv)
    _check(arguments)
    texts = _texts(arguments)
    if arguments.bundle:
        answers = _by_bundle(arguments.bundle, texts, arguments.top_k)
    else:
        from docsort.serving.client import classify_at

        answers = classify_at(
            arguments.url,
            arguments.model,
            texts,
            arguments.version,
            arguments.top_k,
            os.environ.get(API_KEY_VARIABLE),
        )
    if arguments.json:
        for answer in answers:
            print(json.dumps(answer, ensure_ascii=False))
    else:
        _print_table(texts, answers)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "docsort classify",
        description="Classify documents by a bundle, or by a server that docsort serve runs.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--bundle", metavar="DIR", help="the bundle that docsort train wrote")
    where.add_argument(
        "--url",
        help=f"a server, as http://127.0.0.1:1337; needs --model; its key: ${API_KEY_VARIABLE}",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="with --url: the model's name on the server"
    )
    parser.add_argument(
        "--version", help="with --url: its version; default: the server's default version"
    )
    parser.add_argument("--file", metavar="FILE", action="append", default=[], help="one document")
    parser.add_argument("--json", action="store_true", help="a line of JSON each")
    parser.add_argument("--top-k", type=int, metavar="K", help="labels in each answer's scores")
    parser.add_argument(
        "text", nargs="*", help="documents; none, and no --file: standard input is one document"
    )
    return parser


def _check(arguments: argparse.Namespace) -> None:
    if arguments.url and not arguments.model:
        raise ConfigError("--url needs --model NAME: which of the server's models to ask")
    for flag in ("model", "version"):
        if arguments.bundle and getattr(arguments, flag) is not None:
            raise ConfigError(
                f"--{flag} {getattr(arguments, flag)} is for a server (--url); a bundle is one "
                f"model of one version. Leave --{flag} out, or ask a server instead of --bundle"
            )


def _texts(arguments: argparse.Namespace) -> list[str]:
    texts = [*arguments.text, *(_read(Path(file)) for file in arguments.file)]
    return texts or [_decode(sys.stdin.buffer.read(), "standard input")]


def _read(file: Path) -> str:
    try:
        return _decode(file.read_bytes(), str(file))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8 (byte {error.start}); convert it first") from None


def _by_bundle(bundle: str, texts: list[str], top_k: int | None) -> list[dict[str, Any]]:
    """The answers that a server would give, in as many parts: the same checks, the same fields."""
    from docsort.core.rest import MAX_DOCUMENTS, check_request, render_answer
    from docsort.core.scorer import Scorer

    starts = range(0, len(texts), MAX_DOCUMENTS)
    requests = []
    for start in starts:  # all are checked before anything heavy begins
        with _counted_from(start):
            requests.append(check_request(texts[start : start + MAX_DOCUMENTS], top_k))
    scorer = Scorer.load(bundle)
    name = str(scorer.bundle.provenance.get("name", Path(bundle).name))
    answers: list[dict[str, Any]] = []
    for start, request in zip(starts, requests, strict=True):
        predictions = scorer.score(request.texts)
        with _counted_from(start):
            part = render_answer(request, predictions, scorer.bundle, name, "bundle")
        assert isinstance(part, list)
        answers.extend(part)
    return answers


@contextmanager
def _counted_from(start: int) -> Iterator[None]:
    """A refused document is named by its place among all documents, not in its part."""
    try:
        yield
    except RequestError as error:
        if error.index is not None:
            error.index += start
        raise


def _print_table(texts: list[str], answers: list[dict[str, Any]]) -> None:
    table = Table("document", "label", "score", "tokens read")
    for text, answer in zip(texts, answers, strict=True):
        excerpt = " ".join(text.split())
        if len(excerpt) > EXCERPT_CHARACTERS:
            excerpt = excerpt[: EXCERPT_CHARACTERS - 1] + "…"
        receipt = answer["receipt"]
        read = f"{receipt['tokens_read']} of {receipt['tokens']}"
        table.add_row(excerpt, *_labels_and_scores(answer), read)
    Console().print(table, markup=False)


def _labels_and_scores(answer: dict[str, Any]) -> tuple[str, str]:
    """The predicted labels and their scores; with no label, how near the highest score came."""
    if "label" in answer:
        return answer["label"], f"{answer['score']:.3f}"
    scores = [(entry["label"], f"{entry['score']:.3f}") for entry in answer["scores"]]
    if not answer["labels"]:
        return "(none)", f"highest {scores[0][1]}"
    predicted = [score for label, score in scores if label in answer["labels"]]
    return ", ".join(answer["labels"]), ", ".join(predicted)
