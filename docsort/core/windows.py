"""Token ids of whole documents to overlapping windows: plain arithmetic, no tokenizer, no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from docsort.core.errors import ConfigError

AnsweredBy = Literal["encoder", "linear"]


@dataclass(frozen=True)
class WindowPlan:
    """How a document of any length is laid out in windows.

    Attributes:
        window: tokens in a full window, special tokens included.
        overlap: content tokens that consecutive windows share.
        max_windows: windows of one document at most; what lies behind them is not read.
        prefix, suffix: special tokens before and after each window's content.
    """

    window: int
    overlap: int
    max_windows: int
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        num_special = len(self.prefix) + len(self.suffix)
        if self.window <= num_special:
            raise ConfigError(
                f"model.window={self.window} leaves no room for text: {num_special} of its tokens "
                f"are special; it must be at least {num_special + 1}"
            )
        if not 0 <= self.overlap < self.capacity:
            raise ConfigError(
                f"model.overlap={self.overlap} does not fit model.window={self.window}: it must be "
                f"from 0 to {self.capacity - 1} (the window less {num_special} special tokens, "
                "less 1)"
            )
        if self.max_windows < 1:
            raise ConfigError(f"model.max_windows={self.max_windows} must be at least 1")

    @property
    def capacity(self) -> int:
        """Content tokens in a full window."""
        return self.window - len(self.prefix) - len(self.suffix)

    @property
    def step(self) -> int:
        """Content tokens from one window's start to the next one's."""
        return self.capacity - self.overlap

    def num_windows(self, num_tokens: int) -> int:
        """Windows that a document of ``num_tokens`` content tokens takes, at least 1."""
        beyond_first = max(0, num_tokens - self.capacity)
        return min(1 + -(-beyond_first // self.step), self.max_windows)

    def tokens_read(self, num_tokens: int) -> int:
        """Content tokens that lie in some window."""
        return min(num_tokens, self.capacity + (self.num_windows(num_tokens) - 1) * self.step)

    def tokens_computed(self, num_tokens: int) -> int:
        """Tokens of the document's windows together, special ones included."""
        again, special = self.overlap, len(self.prefix) + len(self.suffix)
        num_windows = self.num_windows(num_tokens)
        return self.tokens_read(num_tokens) + (num_windows - 1) * again + num_windows * special

    def cut(self, token_ids: Sequence[int]) -> list[list[int]]:
        """The document's windows, special tokens included, each at most ``window`` long."""
        starts = [i * self.step for i in range(self.num_windows(len(token_ids)))]
        return [
            [*self.prefix, *token_ids[start : start + self.capacity], *self.suffix]
            for start in starts
        ]


@dataclass(frozen=True)
class Receipt:
    """What was read of one document: content tokens in it, tokens read, the encoder's windows.

    ``answered_by`` is ``linear`` where the cascade spared the encoder: then all was read, in no
    window.
    """

    tokens: int
    tokens_read: int
    windows: int
    answered_by: AnsweredBy = "encoder"


@dataclass(frozen=True)
class DocumentWindows:
    """The windows of D documents, in the documents' order.

    Attributes:
        token_ids: one list of ids a window, W in all, of unequal lengths.
        documents: for each window, the index of its document (0 … D-1, ascending).
        receipts: one a document, D in all.
    """

    token_ids: tuple[list[int], ...]
    documents: tuple[int, ...]
    receipts: tuple[Receipt, ...]

    @property
    def num_documents(self) -> int:
        return len(self.receipts)

    @classmethod
    def of(cls, documents: Sequence[Sequence[int]], plan: WindowPlan) -> "DocumentWindows":
        """Cut the token ids of D documents by one plan."""
        cut = [plan.cut(ids) for ids in documents]
        return cls(
            token_ids=tuple(window for windows in cut for window in windows),
            documents=tuple(d for d, windows in enumerate(cut) for _ in windows),
            receipts=tuple(
                Receipt(len(ids), plan.tokens_read(len(ids)), len(windows))
                for ids, windows in zip(documents, cut, strict=True)
            ),
        )
