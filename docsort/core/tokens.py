"""Text to token ids: the only module that calls a tokenizer. Knows nothing about windows."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from docsort.core.errors import ModelError
from docsort.core.foreign_code import is_from_transformers, refuse_code
from docsort.core.workload import MAX_CHARACTERS, in_parts

# Long enough to be one ordinary word for any tokenizer, so that what stands around it is special.
_PROBE = "document"


class DocumentTokenizer:
    """A pretrained tokenizer that never cuts, never pads, and leaves special tokens to the windows.

    ``prefix`` and ``suffix`` are the special tokens that a window carries before and after its
    content (BERT: ``[CLS]`` and ``[SEP]``); ``pad_id`` fills up shorter windows of one pass.
    ``num_tokens`` is the size of the vocabulary, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        # A tokenizer.json may carry a truncation of its own (all-MiniLM-L6-v2 cuts at 128 tokens).
        if tokenizer.is_fast:
            tokenizer.backend_tokenizer.no_truncation()
            tokenizer.backend_tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.prefix, self.suffix = self._special_tokens()
        self.has_padding = tokenizer.pad_token_id is not None
        self.pad_id: int = tokenizer.pad_token_id if self.has_padding else 0
        self.num_tokens = len(tokenizer)

    @classmethod
    def load(cls, path: Path, trust_remote_code: bool = False) -> "DocumentTokenizer":
        """Read a tokenizer's folder.

        Raises:
            ModelError: no tokenizer is there, or it needs Python code of its own.
        """
        if not trust_remote_code:
            refuse_code(path, ModelError, "docsort reads a tokenizer without running any code")
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                str(path), local_files_only=True, trust_remote_code=trust_remote_code
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"no tokenizer could be read from {path} ({type(error).__name__}); the folder must "
                "hold tokenizer.json and tokenizer_config.json as transformers saves them"
            ) from error
        if not is_from_transformers(tokenizer):
            raise ModelError(
                f"the tokenizer of {path} needs its own Python code ({type(tokenizer).__name__}), "
                "and a bundle carries none; choose a model whose tokenizer is in transformers"
            )
        tokenizer.init_kwargs.pop("auto_map", None)
        return cls(tokenizer)

    def save(self, path: Path) -> None:
        """Write the folder that ``load`` reads."""
        self._tokenizer.save_pretrained(str(path))

    def encode(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Token ids of each whole text, without special tokens; an empty list for an empty text.

        Texts are read ``MAX_CHARACTERS`` at a time, since the tokenizer needs some 50 bytes for
        each of these. So the caller should keep no more of the ids than it needs.
        """
        for some in in_parts(texts, MAX_CHARACTERS):
            yield from self._encode(some)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        encoded = self._tokenizer(
            list(texts),
            add_special_tokens=False,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,  # else each long document warns; windows make length harmless
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens ``encode`` makes of each text."""
        return [len(ids) for ids in self.encode(texts)]

    @property
    def unknown_id(self) -> int | None:
        """The id that stands for what the vocabulary lacks; None where nothing can be lacking."""
        unknown: int | None = self._tokenizer.unk_token_id
        return unknown

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides about token ids, in hex."""
        if self._tokenizer.is_fast:
            said = self._tokenizer.backend_tokenizer.to_str()
        else:
            said = repr(sorted(self._tokenizer.get_vocab().items()))
        return hashlib.sha256(said.encode()).hexdigest()

    def _special_tokens(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        (bare,) = self.encode([_PROBE])
        full: list[int] = self._tokenizer(_PROBE)["input_ids"]
        for start in range(len(full) - len(bare) + 1):
            if full[start : start + len(bare)] == bare:
                return tuple(full[:start]), tuple(full[start + len(bare) :])
        raise ModelError(
            f"tokenizer {type(self._tokenizer).__name__} writes special tokens inside the text; "
            "accepted are tokenizers that put them before and after it"
        )
