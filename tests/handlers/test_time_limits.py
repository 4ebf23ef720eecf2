"""The time that TorchServe allows a batch is kept, whatever is in it."""

import json
from collections.abc import Sequence

import pytest

from docsort.core import workload
from docsort.core.scorer import DocumentRead, Prediction, Scorer
from docsort.core.workload import MAX_CHARACTERS
from handlers.docsort_handler import DocsortHandler
from tests.handlers.conftest import JSON, PLAIN, ask, counting


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
