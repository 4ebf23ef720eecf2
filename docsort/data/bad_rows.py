"""Rows that can't be learned from: an empty text or label. Drops or refuses them, by number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from datasets import Dataset

from docsort.core.errors import DataError
from docsort.data.invisible import is_blank
from docsort.data.rows import BATCH_ROWS, Rows
from docsort.data.store import row_numbers

CountTokens = Callable[[Sequence[str]], list[int]]
NAMED = 10  # rows named in a message; the rest are counted


@dataclass(frozen=True)
class Cleaned:
    """What is left, rows dropped by reason, and one sentence for each reason."""

    dataset: Dataset
    dropped: dict[str, int]
    notes: tuple[str, ...]


def without_bad_rows(
    rows: Rows, policy: Literal["drop", "refuse"], count_tokens: CountTokens | None = None
) -> Cleaned:
    """What is left of rows without those that have an empty text or label.

    Args:
        rows: of one source.
        policy: data.bad_rows.
        count_tokens: of the tokenizer in use: a text without a token is empty to the model, too.

    Raises:
        DataError: there are bad rows and they are refused, or nothing else is left.
    """
    text_D, label_D = _empty(rows.dataset, count_tokens)
    numbers = row_numbers(rows.dataset)
    reasons = {
        "empty text": numbers[text_D],
        "empty label": numbers[label_D & ~text_D],
    }
    reasons = {reason: found for reason, found in reasons.items() if len(found)}
    notes = tuple(_sentence(rows.source, reason, found) for reason, found in reasons.items())
    if notes and policy == "refuse":
        raise DataError(
            f"{' '.join(notes)} Mend the file, or leave such rows out: data.bad_rows=drop."
        )
    good = np.flatnonzero(~(text_D | label_D))
    if len(good) == 0:
        raise DataError(
            f"{' '.join(notes)} That leaves no document. Are the columns the right ones?"
        )
    dataset = rows.dataset if len(good) == len(rows.dataset) else rows.dataset.select(good)
    return Cleaned(dataset, {reason: len(found) for reason, found in reasons.items()}, notes)


def _empty(
    dataset: Dataset, count_tokens: CountTokens | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(D,), (D,): the text has nothing to see, or no token; the label is missing."""
    texts, labels = [], []
    columns = dataset.select_columns(["text", "label"]).with_format("arrow")
    for batch in columns.iter(batch_size=BATCH_ROWS):
        texts.append(is_blank(batch["text"]) | _is_tokenless(batch["text"], count_tokens))
        label = batch["label"]
        # A list without labels is an answer (none of them); only a missing list is a gap.
        listed = label.type.num_fields > 0
        labels.append(pc.is_null(label).to_numpy() if listed else is_blank(label))
    return np.concatenate(texts), np.concatenate(labels)


def _is_tokenless(texts: Any, count_tokens: CountTokens | None) -> npt.NDArray[np.bool_]:
    """(D,) texts of which no token is made: a lone accent or replacement character, for BERT."""
    tokenless = np.zeros(len(texts), dtype=np.bool_)
    if count_tokens is not None:
        # any letter or digit gives a token, if only the unknown one: few texts are to be asked of
        odd = np.flatnonzero(~np.asarray(pc.match_substring_regex(texts, r"[\p{L}\p{N}]")))
        tokenless[odd] = np.array(count_tokens(texts.take(odd).to_pylist()), dtype=np.int64) == 0
    return tokenless


def _sentence(source: str, reason: str, numbers: npt.NDArray[np.int64]) -> str:
    return f"{source}: {counted(numbers)} with an {reason}."


def counted(numbers: npt.NDArray[np.int64]) -> str:
    """ "3 rows (4, 17, 90)": how many, and which (0-based rows of the source)."""
    named = ", ".join(str(n) for n in numbers[:NAMED].tolist())
    more = ", …" if len(numbers) > NAMED else ""
    return f"{len(numbers)} row{'s' * (len(numbers) != 1)} ({named}{more})"
