"""How much text there is, told from its bytes alone, for what takes memory by the word."""

import pyarrow.compute as pc
from datasets import Dataset

from docsort.data.rows import BATCH_ROWS

# Of the texts in which near-duplicates are looked for: their shingles take 65 to 71 bytes a word
# (measured), so 1.4 GB.
MAX_NEAR_DUPLICATE_WORDS = 20_000_000
# English has 5.7 to 6.6 with the space (R8, Ohsumed); a script without spaces, where each character
# is a word, 3.
BYTES_PER_WORD = 6


def estimated_words(dataset: Dataset) -> int:
    """Bytes of text by BYTES_PER_WORD; reads no text where the rows lie as they were stored."""
    batches = dataset.select_columns(["text"]).with_format("arrow").iter(batch_size=BATCH_ROWS)
    num_bytes: int = sum(pc.sum(pc.binary_length(batch["text"])).as_py() for batch in batches)
    return round(num_bytes / BYTES_PER_WORD)


def num_searched(dataset: Dataset, most: int) -> int:
    """How many of the documents, ``most`` at most, to look for near-duplicates in, by the words."""
    a_document = max(1.0, estimated_words(dataset) / max(1, len(dataset)))
    return max(1, min(most, int(MAX_NEAR_DUPLICATE_WORDS / a_document)))
