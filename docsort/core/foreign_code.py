"""Keeps code in the folders of models and tokenizers from running.

With ``auto_map`` in a configuration, transformers imports Python files of the folder, or of another
repository on the hub. Without an explicit ``trust_remote_code`` it asks on standard input, which
docsort reads documents from.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel

from docsort.core.errors import DocsortError, ModelError

# transformers also reads config.VERSION.json where config.json names it
CONFIGURATIONS = "*config*.json"
_CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
_OWN_PACKAGE = "transformers."
_PROBE_IDS = [[1, 2, 3, 4]]


def refuse_code(folder: Path, error: type[DocsortError], next_step: str) -> None:
    """Raise an error if a configuration in ``folder`` asks for Python code.

    Args:
        folder: of a model or a tokenizer. Nothing is read if it is missing.
        error: the exception's class.
        next_step: the end of the message.
    """
    files = folder.iterdir() if folder.is_dir() else ()  # glob would pass over a lack of permission
    for file in sorted(file for file in files if file.match(CONFIGURATIONS)):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as reason:
            raise error(f"{file} is not JSON; copy the folder again") from reason
        if key := code_key(content):
            raise error(f"{file} asks to run Python code ({key}); {next_step}")


def code_key(content: Any) -> str | None:
    """The first key of a configuration that asks for code. None: no key does."""
    return next(_code_keys(content), None)


def _code_keys(content: Any) -> Iterator[str]:
    pending = [content]  # not by recursion, which a hostile file could nest too deeply for
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield from (key for key in _CODE_KEYS if value.get(key))
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def is_from_transformers(instance: object) -> bool:
    """Whether the class of a model, configuration or tokenizer is from the installed package."""
    return type(instance).__module__.startswith(_OWN_PACKAGE)


def without_code(encoder: PreTrainedModel, name: str) -> PreTrainedModel:
    """The same encoder by a class of transformers, since no bundle carries code.

    Args:
        encoder: as ``trust_remote_code`` loaded it.
        name: the model's, for the message.

    Raises:
        ModelError: transformers has no class with these weights and the same outputs.
    """
    content = {key: value for key, value in encoder.config.to_dict().items() if key != "auto_map"}
    try:
        config = AutoConfig.for_model(**content)
        own = AutoModel.from_config(
            config, attn_implementation="sdpa", dtype=torch.float32, trust_remote_code=False
        )
        own.load_state_dict(encoder.state_dict(), strict=False)
        same = own.state_dict().keys() >= encoder.state_dict().keys() and _same(own, encoder)
    except (ValueError, RuntimeError, AttributeError, KeyError, TypeError):
        same = False
    if not same:
        raise ModelError(
            f"model.pretrained={name} needs its own Python code ({type(encoder).__name__}). A "
            "bundle carries no code and is never served with any; choose a model that "
            "transformers has a class for"
        )
    return own


def _same(own: PreTrainedModel, encoder: PreTrainedModel) -> bool:
    ids = torch.tensor(_PROBE_IDS)
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        ours, theirs = (
            model.eval()(input_ids=ids, attention_mask=mask).last_hidden_state
            for model in (own, encoder)
        )
    return torch.allclose(ours, theirs, atol=1e-5)
