"""What a worker does that fails on a document, or on every one."""

import weakref
from collections.abc import Sequence

import pytest
import torch

from docsort.core.classifier import DocumentClassifier
from docsort.core.scorer import DocumentRead, Prediction, Scorer
from docsort.core.windows import DocumentWindows
from handlers import docsort_handler
from handlers.docsort_handler import MAX_FAILED_PROBES, DocsortHandler
from tests.handlers.conftest import PLAIN, ask, counting


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


def test_documents_are_tried_alone_once_what_failed_on_all_is_out_of_memory(
    handler: DocsortHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = Scorer.predict
    computed: list[weakref.ref[torch.Tensor]] = []
    held: list[bool] = []

    def too_much_for_two(scorer: Scorer, documents: Sequence[DocumentRead]) -> list[Prediction]:
        if len(documents) > 1:
            activations = torch.zeros(1)
            computed.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        held.extend(one() is not None for one in computed)
        return predict(scorer, documents)

    monkeypatch.setattr(Scorer, "predict", too_much_for_two)
    answers = ask(handler, (PLAIN, b"the bank"), (PLAIN, b"a player"))
    assert [status for status, _ in answers] == [200, 200]
    assert held == [False, False]


def test_a_document_that_the_model_fails_on_ends_no_worker(
    handler: DocsortHandler, broken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting(monkeypatch, lambda documents: "poison" in documents)
    for _ in range(2 * MAX_FAILED_PROBES):
        assert ask(handler, (PLAIN, b"poison"))[0][0] == 500
