"""The handler as TorchServe calls it: a list of requests in, a list of answers out."""

import inspect
import json
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from docsort.core.answer_cache import SIZE_VARIABLE
from docsort.core.golden import read_golden
from docsort.core.scorer import DocumentRead, Prediction, Scorer
from docsort.serving.mar import HANDLER
from handlers import docsort_handler
from handlers.docsort_handler import DocsortHandler
from tests.handlers.conftest import JSON, PLAIN, Context, ask, counting

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


class Metric:
    """One of TorchServe's metrics, as far as the handler may rely on it."""

    def __init__(self) -> None:
        self.added: list[tuple[float, list[str]]] = []

    def add_or_update(self, value: float, dimension_values: list[str]) -> None:
        self.added.append((value, dimension_values))


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
