"""Which models of transformers can be an encoder here. Checked before anything is trained."""

import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from docsort.core.errors import ModelError
from docsort.core.tokens import DocumentTokenizer

ACCEPTED = (
    "accepted are text encoders with bidirectional attention, such as BERT, DistilBERT, RoBERTa, "
    "XLM-RoBERTa, ELECTRA, ALBERT and ModernBERT"
)
_NO_SDPA = "scaled_dot_product_attention"
_PROBE = "document"


def check_architecture(config: PretrainedConfig, name: str) -> None:
    """Refuse what is known from a configuration. ``name``: of the model, for the message.

    Raises:
        ModelError: an encoder-decoder, a decoder, or no model of text.
    """
    kind = config.model_type
    is_causal = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if getattr(config, "is_encoder_decoder", False):
        raise _refusal(name, kind, "has an encoder and a decoder")
    if getattr(config, "is_decoder", False) or (
        is_causal and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    ):
        raise _refusal(name, kind, "is a decoder: its tokens see only the tokens before them")
    if getattr(config, "vocab_size", None) is None:
        raise _refusal(name, kind, "reads no text")


def load_error(config: PretrainedConfig, name: str, error: Exception) -> ModelError:
    """What to raise where transformers cannot build a model of an accepted architecture."""
    if _NO_SDPA in str(error):
        return _refusal(
            name, config.model_type, "has no scaled-dot-product attention (SDPA) in transformers"
        )
    return ModelError(
        f"model.pretrained={name} is not an encoder that transformers can load: {error}"
    )


def check_encoder(encoder: PreTrainedModel, tokenizer: DocumentTokenizer, name: str) -> None:
    """Refuse what is only known from the loaded model and its tokenizer.

    Raises:
        ModelError: no limit of positions, no vector for each token, weights that cannot be saved,
            or a tokenizer that does not fit.
    """
    config = encoder.config
    kind = config.model_type
    if not isinstance(getattr(config, "max_position_embeddings", None), int):
        raise _refusal(name, kind, "does not say how many tokens it reads at once")
    if not (tokenizer.prefix or tokenizer.suffix):
        raise _refusal(name, kind, "has a tokenizer that adds no [CLS] or [SEP] to a text")
    if not tokenizer.has_padding:
        raise _refusal(name, kind, "has a tokenizer without a padding token")
    if tokenizer.num_tokens > config.vocab_size:
        raise _refusal(
            name,
            kind,
            f"has embeddings of {config.vocab_size} tokens and a tokenizer of "
            f"{tokenizer.num_tokens}",
        )
    if not _gives_token_vectors(encoder, tokenizer):
        raise _refusal(name, kind, "does not give one vector of hidden_size for each token")
    places = [tensor.data_ptr() for tensor in encoder.state_dict().values()]
    if len(set(places)) < len(places):
        raise _refusal(name, kind, "has tensors that share memory, which safetensors cannot save")


def _gives_token_vectors(encoder: PreTrainedModel, tokenizer: DocumentTokenizer) -> bool:
    ids = [*tokenizer.prefix, *next(tokenizer.encode([_PROBE])), *tokenizer.suffix]
    input_ids = torch.tensor([ids])
    try:
        with torch.inference_mode():
            states = encoder(
                input_ids=input_ids, attention_mask=torch.ones_like(input_ids)
            ).last_hidden_state
        return tuple(states.shape) == (1, len(ids), encoder.config.hidden_size)
    except Exception:  # whatever a model raises that expects other inputs
        return False


def _refusal(name: str, kind: str, why: str) -> ModelError:
    return ModelError(
        f"model.pretrained={name} is a {kind} model, which {why} and cannot be used; {ACCEPTED}"
    )
