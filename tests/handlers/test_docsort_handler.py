"""The handler as TorchServe calls it: a list of requests in, a list of answers out."""

import inspect
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from docsort.core import workload
from docsort.core.answer_cache import SIZE_VARIABLE
from docsort.core.classifier import DocumentClassifier
from docsort.core.golden import read_golden
from docsort.core.scorer import DocumentRead, Prediction, Scorer
from docsort.core.windows import DocumentWindows
from docsort.core.workload import MAX_CHARACTERS
from docsort.serving.mar import HANDLER
from handlers import docsort_handler
from handlers.docsort_handler import MAX_FAILED_PROBES, DocsortHandler

PLAIN, JSON = "text/plain", "application/json"
# What stands in Content-Type, and whether it is accepted; by Nginx before the handler just so.
CONTENT_TYPES = {
    "text/plain": True,
    "Text/Plain ; Charset=UTF-8": True,
    'text/plain;charset="utf8"': True,
    "text/plain; charset=us-ascii;": True,
    "text/plain; charset=utf-8; format=flowed": True,
    "text/plain; format=flowed; delsp=yes": True,
    "text/plain; format=flowed; charset=latin-1": False,
    "text/plain; charset=utf-16": False,
    "text/plain;charset=": False,
    "text/plain, application/json": False,
    "text/plainer": False,
    "text": False,
    "text/html; charset=utf-8": False,
    "application/json; charset=latin-1": False,
}


class Context:
    """TorchServe's context, as far as the handler may rely on it."""

    def __init__(self, model_dir: Path, types: Sequence[str | None] = ()) -> None:
        self.system_properties = {"model_dir": str(model_dir), "gpu_id": None}
        self.manifest = {"model": {"modelVersion": "7"}}
        self.model_name = "tiny"
        self.types = types
        self.statuses: dict[int, int] = {}
        self.response_headers: dict[tuple[int, str], str] = {}

    def get_all_request_header(self, index: int) -> dict[str, Any]:
        given = self.types[index]
        parameter = {"body": {"content-type": given}}  # TorchServe puts this among the headers
        return parameter if given is None else {**parameter, "CONTENT-type": given}

    def set_response_content_type(self, index: int, value: str) -> None:
        assert value == "application/json"

    def set_response_header(self, index: int, name: str, value: str) -> None:
        self.response_headers[index, name] = value

    def set_response_status(self, code: int, phrase: str, index: int) -> None:
        assert phrase
        self.statuses[index] = code


@pytest.fixture
def handler(tiny_bundle: Path, tmp_path: Path) -> DocsortHandler:
    (tmp_path / "bundle").symlink_to(tiny_bundle)
    handler = DocsortHandler()
    handler.initialize(Context(tmp_path))
    return handler


def ask(
    handler: DocsortHandler, *requests: tuple[str | None, bytes | None]
) -> list[tuple[int, Any]]:
    """Status and JSON of each answer."""
    context = Context(Path(), [content_type for content_type, _ in requests])
    data = [{} if body is None else {"body": bytearray(body)} for _, body in requests]
    answers = handler.handle(data, context)
    assert all(isinstance(answer, bytes) for answer in answers)
    return [(context.statuses[i], json.loads(answer)) for i, answer in enumerate(answers)]


def test_torchserve_finds_exactly_one_class_and_no_function() -> None:
    classes = [
        member
        for _, member in inspect.getmembers(docsort_handler, inspect.isclass)
        if member.__module__ == docsort_handler.__name__
    ]
    assert classes == [DocsortHandler]
    assert not hasattr(docsort_handler, "handle")
    assert Path(inspect.getfile(docsort_handler)).name == HANDLER


def test_golden_documents(handler: DocsortHandler, tiny_bundle: Path) -> None:
    for document in read_golden(tiny_bundle):
        ((status, answer),) = ask(handler, (PLAIN, document.text.encode()))
        assert status == 200
        assert answer["model"] == {"name": "tiny", "version": "7"}
        scores = {entry["label"]: entry["score"] for entry in answer["scores"]}
        np.testing.assert_allclose(
            [scores[label] for label in ("finance", "medicine", "sport")],
            document.probabilities,
            atol=1e-5,
        )


def test_a_bad_request_never_harms_its_batch_mates(handler: DocsortHandler) -> None:
    good = (PLAIN, b"the profit of the bank")
    many = (JSON, json.dumps({"inputs": ["a player", "virus gene"]}).encode())
    bad = [
        (PLAIN, b"", 422, "empty_document"),
        (PLAIN, None, 422, "empty_document"),
        (PLAIN, b" \n", 422, "empty_document"),
        (PLAIN, b"\xff\xfe", 400, "not_utf8"),
        (JSON, b"{", 400, "not_json"),
        (JSON, b"[" * 100_000, 400, "not_json"),
        (JSON, b"[1]", 422, "bad_fields"),
        (JSON, b'{"text": 3}', 422, "not_text"),
        (JSON, b'{"text": "\\ud800"}', 422, "bad_text"),
        (JSON, b'{"inputs": ["a", ""]}', 422, "empty_document"),
        (JSON, b'{"inputs": "a", "parameters": {"top_k": 99}}', 422, "bad_parameters"),
        ("text/html", b"a", 415, "unsupported_media_type"),
        (None, b"a", 415, "unsupported_media_type"),
    ]
    (_, alone), (_, alone_many) = ask(handler, good)[0], ask(handler, many)[0]
    requests: list[tuple[str | None, bytes | None]] = []
    for content_type, body, _, _ in bad:
        requests += [(content_type, body), good, many]
    answers = ask(handler, *requests)
    for (_, _, status, kind), (found, answer) in zip(bad, answers[::3], strict=True):
        assert (found, answer["error"]["type"]) == (status, kind)
    for status, answer in answers[1::3]:
        assert status == 200
        assert answer["score"] == pytest.approx(alone["score"], abs=1e-6)
    for status, answer in answers[2::3]:
        assert status == 200
        assert [a["label"] for a in answer] == [a["label"] for a in alone_many]


@pytest.mark.parametrize(("content_type", "accepted"), CONTENT_TYPES.items())
def test_content_types(handler: DocsortHandler, content_type: str, accepted: bool) -> None:
    ((status, answer),) = ask(handler, (content_type, b"a bank"))
    assert status == (200 if accepted else 415)
    assert accepted == ("label" in answer)


def test_a_refused_list_names_the_bad_entry(handler: DocsortHandler) -> None:
    ((status, answer),) = ask(handler, (JSON, b'{"inputs": ["a", "b", 3]}'))
    assert (status, answer["error"]["index"]) == (422, 2)


def counting(monkeypatch: pytest.MonkeyPatch, fails: Callable[[Sequence[str]], bool]) -> list[int]:
    """The sizes of the calls to Scorer.read, which raises where ``fails`` says so."""
    sizes: list[int] = []
    read = Scorer.read

    def counted(self: Scorer, documents: Sequence[str]) -> list[DocumentRead]:
        sizes.append(len(documents))
        if fails(documents):
            raise RuntimeError(f"failed on {documents}")
        return read(self, documents)

    monkeypatch.setattr(Scorer, "read", counted)
    return sizes


def test_one_call_scores_the_whole_batch(
    handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = counting(monkeypatch, lambda documents: False)
    ask(handler, (PLAIN, b"a"), (JSON, b'{"inputs": ["b", "c"]}'), (PLAIN, b""), (PLAIN, b"d"))
    assert sizes == [4]


def test_a_document_that_the_model_fails_on_fails_alone_and_is_not_logged(
    handler: DocsortHandler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    counting(monkeypatch, lambda documents: "poison" in documents)
    with caplog.at_level(logging.DEBUG):
        first, middle, last = ask(handler, (PLAIN, b"a"), (PLAIN, b"poison"), (PLAIN, b"b"))
    assert (first[0], middle[0], last[0]) == (200, 500, 200)
    assert middle[1]["error"] == {
        "code": 500,
        "type": "internal",
        "message": "the model failed on this request",
    }
    assert "poison" not in caplog.text
    assert capfd.readouterr().out == ""  # TorchServe's control channel


class Ended(BaseException):
    """The worker's process ended."""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """While it holds anything, the encoder fails on every document."""
    broken: list[bool] = []
    embed = DocumentClassifier.embed

    def failing(classifier: DocumentClassifier, windows: DocumentWindows) -> torch.Tensor:
        if broken:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return embed(classifier, windows)

    def end(status: int) -> None:
        raise Ended

    monkeypatch.setattr(DocumentClassifier, "embed", failing)
    monkeypatch.setattr(docsort_handler.os, "_exit", end)
    return broken


def test_a_worker_that_fails_on_everything_ends(
    handler: DocsortHandler, broken: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    broken.append(True)
    for _ in range(MAX_FAILED_PROBES - 1):
        assert [status for status, _ in ask(handler, (PLAIN, b"a"), (PLAIN, b"b"))] == [500, 500]
    with pytest.raises(Ended):
        ask(handler, (PLAIN, b"a"))
    assert "this worker fails on everything" in caplog.text


@pytest.mark.parametrize("document", [b"poison", b"a"])
def test_a_worker_that_is_well_again_stays(
    handler: DocsortHandler, broken: list[bool], document: bytes
) -> None:
    """As is seen by the word that is scored beside a failure, and by any document."""
    for _ in range(MAX_FAILED_PROBES):
        broken.append(True)
        for _ in range(MAX_FAILED_PROBES - 1):
            assert ask(handler, (PLAIN, b"a"))[0][0] == 500
        broken.clear()
        with pytest.MonkeyPatch.context() as patch:
            counting(patch, lambda documents: "poison" in documents)
            assert ask(handler, (PLAIN, document))[0][0] == (500 if document == b"poison" else 200)


def test_a_document_that_the_model_fails_on_ends_no_worker(
    handler: DocsortHandler, broken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting(monkeypatch, lambda documents: "poison" in documents)
    for _ in range(2 * MAX_FAILED_PROBES):
        assert ask(handler, (PLAIN, b"poison"))[0][0] == 500


class Metric:
    """One of TorchServe's metrics, as far as the handler may rely on it."""

    def __init__(self) -> None:
        self.added: list[tuple[float, list[str]]] = []

    def add_or_update(self, value: float, dimension_values: list[str]) -> None:
        self.added.append((value, dimension_values))


class Pace:
    """A clock that stands still but for the tokens that are computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tokens_per_s: float) -> None:
        self.now_s = 1000.0
        self.computed: list[int] = []
        predict = Scorer.predict

        def timed(scorer: Scorer, documents: Sequence[DocumentRead]) -> list[Prediction]:
            self.computed.append(sum(document.num_tokens for document in documents))
            self.now_s += self.computed[-1] / tokens_per_s
            return predict(scorer, documents)

        monkeypatch.setattr(Scorer, "predict", timed)
        monkeypatch.setattr(workload, "monotonic", lambda: self.now_s)


# The tiny bundle reads 6 windows of 16 tokens, and each of these signs is one.
DENSE = "!" * 80
DENSE_TOKENS = 6 * 16


@pytest.mark.parametrize("tokens_per_s", [150, 300, 5000])
def test_text_of_many_tokens_never_takes_the_time_that_torchserve_allows(
    handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch, tokens_per_s: int
) -> None:
    pace = Pace(monkeypatch, tokens_per_s)
    requests = [(JSON, json.dumps({"inputs": [DENSE] * 256}).encode()) for _ in range(20)]
    started_s = pace.now_s
    answers = ask(handler, *requests, (PLAIN, b"the profit"))
    assert [status for status, _ in answers[-2:]] == [503, 200]
    taken_s = pace.now_s - started_s
    assert taken_s < 120  # TorchServe would end the worker, and fail all
    if tokens_per_s > workload.TRUSTED_TOKENS_PER_S:
        assert 55 < taken_s <= 60
        assert len(pace.computed) == 2


def test_a_request_that_takes_too_long_even_alone_is_told_so(
    handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pace(monkeypatch, tokens_per_s=300)
    body = json.dumps({"inputs": [DENSE] * 200}).encode()
    ((status, answer),) = ask(handler, (JSON, body))
    assert (status, answer["error"]["type"]) == (422, "too_much_text")


def test_a_document_that_the_model_fails_on_takes_no_more_time_than_others(
    handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace(monkeypatch, tokens_per_s=300)
    timed = Scorer.predict

    def fails(scorer: Scorer, documents: Sequence[DocumentRead]) -> list[Prediction]:
        predictions = timed(scorer, documents)
        if any(document.receipt.tokens == 81 for document in documents):
            raise RuntimeError
        return predictions

    monkeypatch.setattr(Scorer, "predict", fails)
    started_s = pace.now_s
    body = json.dumps({"inputs": [*[DENSE] * 150, DENSE + "!"]}).encode()
    assert ask(handler, (PLAIN, b"the profit"), (JSON, body))[0][0] == 200
    assert pace.now_s - started_s < 61


def test_ordinary_requests_are_read_and_computed_once(
    handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace(monkeypatch, tokens_per_s=300)
    read = counting(monkeypatch, lambda documents: False)
    ask(handler, (PLAIN, b"the profit"), *[(PLAIN, DENSE.encode())] * 3)
    assert (read, pace.computed) == ([4], [4 + 3 * DENSE_TOKENS])


def test_long_texts_are_read_last_and_refused_when_time_is_up(
    handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = Pace(monkeypatch, tokens_per_s=1e6)
    read = Scorer.read

    def slow(scorer: Scorer, documents: Sequence[str]) -> list[DocumentRead]:
        pace.now_s += 31
        return read(scorer, documents)

    monkeypatch.setattr(Scorer, "read", slow)
    long = (PLAIN, b"a bank " * (MAX_CHARACTERS // 7))
    short = (PLAIN, b"the profit")
    listed = (JSON, json.dumps({"inputs": ["goal", long[1].decode()]}).encode())
    answers = ask(handler, long, short, listed, long, short)
    assert [status for status, _ in answers] == [200, 200, 503, 503, 200]
    assert answers[3][1]["error"]["type"] == "busy"


def test_what_is_measured(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(tiny_bundle)
    names = ("queue_seconds", "model_seconds", "document_kilotokens", "labels_total")
    metrics = {f"docsort_{name}": Metric() for name in names}
    context = Context(tmp_path)
    context.metrics = SimpleNamespace(cache={"histogram": metrics})
    handler = DocsortHandler()
    handler.initialize(context)
    answers = ask(handler, (PLAIN, b"a bank"), (PLAIN, b""), (JSON, b'{"inputs": ["a", "b c"]}'))
    tokens = [value for value, _ in metrics["docsort_document_kilotokens"].added]
    assert tokens == pytest.approx([0.002, 0.001, 0.002])
    labels = {own[0]: value for value, own in metrics["docsort_labels_total"].added}
    given = [answers[0][1], *answers[2][1]]
    assert labels == Counter(answer["label"] for answer in given)
    ((seconds, own),) = metrics["docsort_model_seconds"].added
    assert seconds > 0
    assert own == ["tiny", "7", "Model"]
    assert metrics["docsort_queue_seconds"].added == []  # nobody said when they were sent


def test_nan_is_not_sent_as_json(handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = Scorer.predict

    def broken(self: Scorer, documents: Sequence[DocumentRead]) -> list[Prediction]:
        return [Prediction(p.probabilities * np.nan, p.receipt) for p in predict(self, documents)]

    monkeypatch.setattr(Scorer, "predict", broken)
    ((status, answer),) = ask(handler, (PLAIN, b"a"))
    assert (status, answer["error"]["type"]) == (500, "internal")


def test_a_bundle_that_cannot_be_loaded_is_said_as_torchserve_reports_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"cannot be loaded.*is not a bundle"):
        DocsortHandler().initialize(Context(tmp_path))


def test_torchserve_is_not_needed_to_import_it() -> None:
    source = Path(inspect.getfile(docsort_handler)).read_text()
    assert "from ts" not in source
    assert "import ts" not in source


def test_the_same_text_again_is_not_scored_again(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIZE_VARIABLE, "2")
    (tmp_path / "bundle").symlink_to(tiny_bundle)
    handler = DocsortHandler()
    handler.initialize(Context(tmp_path))
    scored: list[str] = []
    read = Scorer.read

    def counted(scorer: Scorer, documents: Sequence[str]) -> list[DocumentRead]:
        scored.extend(documents)
        return read(scorer, documents)

    monkeypatch.setattr(Scorer, "read", counted)
    first = ask(handler, (PLAIN, b"a gene"), (PLAIN, b"a goal"))
    again = ask(handler, (PLAIN, b"a goal"), (PLAIN, b"a drug"), (PLAIN, b"a goal "))
    assert again[0] == first[1]
    assert sorted(scored) == ["a drug", "a gene", "a goal", "a goal "]
    ask(handler, (PLAIN, b"a gene"))  # two came after it
    assert scored.count("a gene") == 2
