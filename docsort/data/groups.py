"""Documents of one group (data.group_column), as ids, and groups that cross given splits.

Group names are trimmed, as labels are. A document without a group is a group of its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from docsort.data.labels import Ints
from docsort.data.store import column_of, row_numbers


def group_ids(dataset: Dataset) -> Ints:
    """(D,) equal numbers for documents of one group."""
    encoded = _groups(dataset).combine_chunks().dictionary_encode()
    ids: Ints = encoded.indices.to_numpy().astype(np.int64)
    names = encoded.dictionary.to_pylist()
    if "" in names:
        alone = ids == names.index("")
        ids[alone] = len(names) + np.arange(alone.sum())
    return ids


def rows_of_crossing_groups(
    splits: Mapping[str, Dataset], given: Iterable[str]
) -> dict[str, tuple[int, ...]]:
    """Rows of each given split whose group is in an earlier split too.

    Args:
        splits: by name, in the order train, val, test; those without a column ``group`` are passed
            over.
        given: the splits that came as such, which may divide a group.
    """
    named = {name: split for name, split in splits.items() if "group" in split.column_names}
    crossing = {}
    for place, (name, split) in enumerate(named.items()):
        earlier = [_groups(other) for other in list(named.values())[:place]]
        if name in given and earlier:
            across = _within(
                _groups(split), pa.chunked_array([c for e in earlier for c in e.chunks])
            )
            crossing[name] = tuple(row_numbers(split)[across].tolist())
    return crossing


def _within(groups: Any, others: Any) -> npt.NDArray[np.bool_]:
    shared = pc.and_(pc.is_in(groups, others), pc.not_equal(groups, ""))
    across: npt.NDArray[np.bool_] = shared.to_numpy()
    return across


def _groups(dataset: Dataset) -> Any:
    return pc.utf8_trim_whitespace(column_of(dataset, "group"))
