"""Which architectures train, and what is said of the others before training starts."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, processors
from transformers import (
    AutoConfig,
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from docsort.core.bundle import Manifest
from docsort.core.classifier import DocumentClassifier
from docsort.core.encoders import check_encoder
from docsort.core.errors import ModelError
from docsort.core.golden import write_bundle
from docsort.core.pretrained import load_pretrained
from docsort.core.scorer import Scorer

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
T5_SIZES = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
BART_SIZES = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
}
XLNET_SIZES = {"d_model": 32, "n_layer": 1, "n_head": 4, "d_inner": 64}
GPT2_SIZES = {"n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 64}

WORKING: list[tuple[str, dict[str, Any]]] = [
    ("bert", SIZES),
    ("distilbert", {"dim": 32, "hidden_dim": 64, "n_layers": 1, "n_heads": 4}),
    ("roberta", SIZES),
    ("xlm-roberta", SIZES),
    ("camembert", SIZES),
    ("electra", {**SIZES, "embedding_size": 16}),
    ("albert", {**SIZES, "embedding_size": 16}),
    ("modernbert", SIZES),
    ("nomic_bert", SIZES),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("t5", T5_SIZES, "has an encoder and a decoder"),
    ("bart", BART_SIZES, "has an encoder and a decoder"),
    ("mbart", BART_SIZES, "has an encoder and a decoder"),
    ("deberta", SIZES, "has no scaled-dot-product attention"),
    ("deberta-v2", SIZES, "has no scaled-dot-product attention"),
    ("mpnet", SIZES, "has no scaled-dot-product attention"),
    ("longformer", {**SIZES, "attention_window": [4]}, "has no scaled-dot-product attention"),
    ("big_bird", SIZES, "has no scaled-dot-product attention"),
    ("xlnet", XLNET_SIZES, "is a decoder"),
    ("gpt2", GPT2_SIZES, "is a decoder"),
    ("bert", {**SIZES, "is_decoder": True}, "is a decoder"),
    ("vit", {**SIZES, "image_size": 8, "patch_size": 4}, "reads no text"),
]


def save_model(folder: Path, tiny_bert: Path, kind: str, sizes: dict[str, Any]) -> Path:
    """A tiny random model of an architecture, beside the tokenizer of the tiny BERT."""
    target = Path(shutil.copytree(tiny_bert, folder / kind))
    vocabulary = json.loads((tiny_bert / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    torch.manual_seed(0)
    config: PretrainedConfig = AutoConfig.for_model(kind, **sizes)
    if kind != "vit":
        config.vocab_size = vocabulary
    attention = "eager" if kind in ("bart", "mbart") else None
    AutoModel.from_config(config, attn_implementation=attention).save_pretrained(target)
    return target


@pytest.mark.parametrize(("kind", "sizes"), WORKING, ids=[kind for kind, _ in WORKING])
def test_encoder_of_an_accepted_kind_becomes_a_bundle(
    tmp_path: Path, tiny_bert: Path, kind: str, sizes: dict[str, Any]
) -> None:
    pretrained = load_pretrained(str(save_model(tmp_path, tiny_bert, kind, sizes)))
    classifier = DocumentClassifier(
        pretrained.encoder, num_labels=2, pad_id=pretrained.tokenizer.pad_id
    )
    manifest = Manifest("single_label", ("a", "b"), window=16, overlap=4, max_windows=2)
    write_bundle(tmp_path / "bundle", manifest, classifier, pretrained.tokenizer, ["the bank"])
    (prediction,) = Scorer.load(tmp_path / "bundle").score(["a goal in the match"])
    assert prediction.probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize(("kind", "sizes", "said"), REFUSED, ids=[kind for kind, *_ in REFUSED])
def test_model_of_another_kind_is_refused_by_name(
    tmp_path: Path, tiny_bert: Path, kind: str, sizes: dict[str, Any], said: str
) -> None:
    folder = save_model(tmp_path, tiny_bert, kind, sizes)
    with pytest.raises(ModelError, match=f"is a {kind} model, which {said}.*accepted are text enc"):
        load_pretrained(str(folder))


def test_a_model_of_unknown_kind_is_refused(tmp_path: Path, tiny_bert: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "unknown"))
    (folder / "config.json").write_text('{"model_type": "no-such-kind"}', encoding="utf-8")
    with pytest.raises(ModelError, match="no configuration that transformers can read"):
        load_pretrained(str(folder))


def test_a_model_without_a_limit_of_tokens_is_refused(tiny_bert: Path) -> None:
    pretrained = load_pretrained(str(tiny_bert))
    encoder = Strange(pretrained.encoder)
    encoder.config = SimpleNamespace(model_type="boundless")  # type: ignore[assignment]
    with pytest.raises(ModelError, match="does not say how many tokens it reads at once"):
        check_encoder(encoder, pretrained.tokenizer, "x")  # type: ignore[arg-type]


class Strange(torch.nn.Module):
    """Gives one vector a text, as an image or sentence model does."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__()
        self.config = encoder.config

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(input_ids), self.config.hidden_size)


def test_a_model_without_token_vectors_is_refused(tiny_bert: Path) -> None:
    pretrained = load_pretrained(str(tiny_bert))
    with pytest.raises(ModelError, match="one vector of hidden_size for each token"):
        check_encoder(Strange(pretrained.encoder), pretrained.tokenizer, "x")  # type: ignore[arg-type]


def test_a_model_with_shared_weights_is_refused(tiny_bert: Path) -> None:
    pretrained = load_pretrained(str(tiny_bert))
    first, second = pretrained.encoder.encoder.layer
    first.output.dense.weight = second.output.dense.weight
    with pytest.raises(ModelError, match="tensors that share memory"):
        check_encoder(pretrained.encoder, pretrained.tokenizer, "x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("no_special_tokens", r"adds no \[CLS\] or \[SEP\]"),
        ("no_padding", "without a padding token"),
        ("too_large", "embeddings of .* tokens and a tokenizer of"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(
    tmp_path: Path, tiny_bert: Path, change: str, said: str
) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
    given = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
    if change == "no_special_tokens":
        backend.post_processor = processors.Sequence([])
    if change == "no_padding":
        del given["pad_token"]
    if change == "too_large":
        backend.add_tokens(["onemore"])
    PreTrainedTokenizerFast(tokenizer_object=backend, **given).save_pretrained(str(folder))
    with pytest.raises(ModelError, match=said):
        load_pretrained(str(folder))
