"""What a source gives to three splits, in the way that the settings name. Reads no file.

Whatever is made here never divides exact copies, nor a group of data.group_column, nor, up to
MAX_NEAR_DUPLICATE_ROWS rows and MAX_NEAR_DUPLICATE_WORDS words, near-duplicates; and the shares of
the documents count those once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from datasets import Dataset

from docsort.core.errors import DataError
from docsort.data.bad_rows import counted
from docsort.data.duplicates import duplicate_clusters, exact_clusters
from docsort.data.groups import group_ids, rows_of_crossing_groups
from docsort.data.labels import Ints, label_pairs, without_labels
from docsort.data.naming import counted_names
from docsort.data.rows import BATCH_ROWS
from docsort.data.settings import SPLIT_WORDS, SPLITS, DataSettings
from docsort.data.splits import by_time, joined, rare_labels, share_out
from docsort.data.store import column_of, row_numbers
from docsort.data.times import as_times
from docsort.data.words import MAX_NEAR_DUPLICATE_WORDS, estimated_words

# Near-duplicates are looked for in tables up to this size. In larger ones only exact copies (white
# space and case folded) stay together: shingles and signatures would no longer fit in memory.
MAX_NEAR_DUPLICATE_ROWS = 100_000


@dataclass(frozen=True)
class Partition:
    """Three splits; ``given`` came as such.

    ``left_out`` counts, by split (all that is not given is "train") and label, documents left out
    for a rare label: each once, for the first that it has. ``crossing`` has the rows of given
    splits whose group (data.group_column) is in an earlier split too.
    """

    splits: dict[str, Dataset]
    given: frozenset[str]
    left_out: dict[str, dict[str, int]]
    notes: tuple[str, ...]
    crossing: dict[str, tuple[int, ...]]


def partition(splits: dict[str, Dataset], settings: DataSettings, seed: int) -> Partition:
    """``splits`` has "train" at least. Raises DataError; the same seed gives the same splits."""
    if settings.split_column is not None:
        splits = _by_column(splits["train"], settings.split_column)
    _check_ways(splits, settings)
    given = frozenset(splits) - {"train"}
    if len(splits) == len(SPLITS):
        notes = tuple(_groups_unknown(splits, settings))
        return Partition(splits, given, {}, notes, rows_of_crossing_groups(_ordered(splits), given))
    whole = splits["train"]
    copies_D, notes = _copies(whole)
    cluster_D = copies_D
    if settings.group_column is not None:
        cluster_D = joined(copies_D, group_ids(whole))
    pairs = label_pairs(whole)
    rare = rare_labels(pairs, cluster_D, settings.min_per_label, settings.rare_labels)
    left_out: dict[str, dict[str, int]] = {}
    pinned_D = np.zeros(len(whole), dtype=bool)
    if settings.rare_labels == "keep":
        pinned_D = np.isin(cluster_D, cluster_D[pairs.having(rare)])
    elif rare:
        thinned = {name: without_labels(split, rare) for name, split in splits.items()}
        left_out = {name: counts for name, (_, counts) in thinned.items()}
        splits = {name: split for name, (split, _) in thinned.items()}
        kept = np.setdiff1d(np.arange(len(whole)), pairs.having(rare))
        whole, cluster_D, copies_D = splits["train"], cluster_D[kept], copies_D[kept]
        pinned_D = pinned_D[kept]
    free = np.flatnonzero(~pinned_D)
    if not len(free):
        raise DataError(
            f"No document is left to split: each has a label with fewer than "
            f"{settings.min_per_label} documents that are no copies of each other "
            f"(data.min_per_label, data.rare_labels={settings.rare_labels}). Is data.label_column "
            "the right column?"
        )
    missing = [name for name in SPLITS if name not in splits]
    num_texts = len(np.unique(copies_D[free]))
    shares = _shares(missing, settings, num_texts)
    parts = whole.select(free) if pinned_D.any() else whole
    places = _places(parts, cluster_D[free], copies_D[free], shares, settings, seed)
    places = {name: free[place] for name, place in places.items()}
    places["train"] = np.union1d(places["train"], np.flatnonzero(pinned_D))
    made = {name: whole.select(place) for name, place in places.items()}
    notes = (
        *notes,
        *_rare_told(rare, settings, left_out, int(pinned_D.sum())),
        *_losses(left_out, splits, given),
        *_capped(shares, settings, num_texts),
        *_groups_unknown(splits, settings),
    )
    splits = _ordered({**splits, **made})
    return Partition(splits, given, left_out, notes, rows_of_crossing_groups(splits, given))


def _ordered(splits: Mapping[str, Dataset]) -> dict[str, Dataset]:
    return {name: splits[name] for name in SPLITS}


def _by_column(dataset: Dataset, column: str) -> dict[str, Dataset]:
    """Divides by the column ``split``; ``column`` is what the file calls it."""
    words = np.array([word.strip().lower() for word in column_of(dataset, "split").to_pylist()])
    unknown = ~np.isin(words, list(SPLIT_WORDS))
    if unknown.any():
        rows = row_numbers(dataset)[unknown]
        raise DataError(
            f"data.split_column={column}: {counted(rows)} say neither train, val nor test "
            f"(accepted: {', '.join(SPLIT_WORDS)})."
        )
    names = np.array([SPLIT_WORDS[word] for word in words])
    found = {name: dataset.select(np.flatnonzero(names == name)) for name in SPLITS}
    splits = {name: split for name, split in found.items() if len(split)}
    if "train" not in splits:
        raise DataError(f"data.split_column={column}: no row says train.")
    return splits


def _check_ways(splits: dict[str, Dataset], settings: DataSettings) -> None:
    """A way to split that would have no effect is a mistake."""
    if settings.fold is not None and "test" in splits:
        raise DataError(
            f"data.fold={settings.fold} makes the test split, but the data has one of its own; "
            "leave one of them out."
        )
    if settings.time_column is not None and len(splits) == len(SPLITS):
        raise DataError(
            f"data.time_column={settings.time_column} says how to split, but train, val and test "
            "are all given; leave it out."
        )


def _places(
    whole: Dataset,
    cluster_D: Ints,
    copies_D: Ints,
    shares: dict[str, float],
    settings: DataSettings,
    seed: int,
) -> dict[str, Ints]:
    """Positions in ``whole`` for "train" and each of the splits in ``shares``.

    ``cluster_D`` are ids of what stays together, ``copies_D`` of what counts once.
    """
    if settings.fold is not None and settings.num_folds is not None:
        folds = {str(fold): 1 / settings.num_folds for fold in range(settings.num_folds)}
        test = share_out(label_pairs(whole), cluster_D, folds, seed, copies_D)[str(settings.fold)]
        rest = np.setdiff1d(np.arange(len(whole)), test)
        shares = {name: share for name, share in shares.items() if name != "test"}
        if not shares:
            return {"train": rest, "test": test}
        shares = {"train": 1 - sum(shares.values()), **shares}
        labels = label_pairs(whole.select(rest))
        places = share_out(labels, cluster_D[rest], shares, seed, copies_D[rest])
        return {"test": test, **{name: rest[place] for name, place in places.items()}}
    shares = {"train": 1 - sum(shares.values()), **shares}
    if settings.time_column is not None:
        rows = row_numbers(whole)
        time_D = as_times(column_of(whole, "time").to_pylist(), rows, settings.time_column)
        return by_time(time_D, cluster_D, shares, copies_D)
    return share_out(label_pairs(whole), cluster_D, shares, seed, copies_D)


def _shares(missing: list[str], settings: DataSettings, num_texts: int) -> dict[str, float]:
    """Of the documents in the whole, copies counted once, for each split to be made from it.

    More than data.max_held_out would make no figure surer, and each validation slower.
    """
    most = settings.max_held_out / num_texts
    return {name: min(_share(name, settings), most) for name in missing}


def _share(name: str, settings: DataSettings) -> float:
    return cast(float, getattr(settings, f"{name}_share"))


def _capped(shares: dict[str, float], settings: DataSettings, num_texts: int) -> Iterator[str]:
    """A sentence for each split that got less than its share; a fold is a fold, however large."""
    for name, share in shares.items():
        if share < _share(name, settings) and (name != "test" or settings.fold is None):
            yield (
                f"{num_texts:,} documents, copies counted once: about "
                f"{settings.max_held_out:,} are {name} (data.max_held_out), not "
                f"data.{name}_share={_share(name, settings)} of them."
            )


def _copies(dataset: Dataset) -> tuple[Ints, tuple[str, ...]]:
    """(D,) ids of near-duplicates, or of exact ones where there is too much text."""
    size = f"{len(dataset):,} documents"
    if len(dataset) <= MAX_NEAR_DUPLICATE_ROWS:
        words = estimated_words(dataset)
        if words <= MAX_NEAR_DUPLICATE_WORDS:
            return duplicate_clusters(dataset["text"][:]), ()
        size += f" of about {words:,} words"
    batches = dataset.select_columns(["text"]).iter(batch_size=BATCH_ROWS)
    note = (
        f"{size}: the split keeps exact copies together; near-duplicates are only looked for up to "
        f"{MAX_NEAR_DUPLICATE_ROWS:,} documents and about {MAX_NEAR_DUPLICATE_WORDS:,} words."
    )
    return exact_clusters(text for batch in batches for text in batch["text"]), (note,)


def _rare_told(
    rare: Mapping[str, int],
    settings: DataSettings,
    left_out: Mapping[str, Mapping[str, int]],
    num_kept: int,
) -> Iterator[str]:
    """What was done with rare labels: each is named with its documents, copies counted once."""
    if rare and settings.rare_labels == "keep":
        yield (
            f"{num_kept:,} documents stay in train for a rare label (data.rare_labels=keep), so "
            f"none of them is in a split that docsort makes: {counted_names(rare)}."
        )
    elif rare:
        yield (
            f"{sum(left_out['train'].values()):,} documents were left out for a rare label "
            f"(data.rare_labels=drop): {counted_names(rare)}."
        )


def _groups_unknown(splits: Mapping[str, Dataset], settings: DataSettings) -> Iterator[str]:
    """A sentence for each given split without the column of groups."""
    for name, split in splits.items():
        if settings.group_column is not None and "group" not in split.column_names:
            yield (
                f"The given {name} split has no column {settings.group_column!r} "
                "(data.group_column), so groups that cross it are not looked for."
            )


def _losses(
    left_out: dict[str, dict[str, int]], splits: dict[str, Dataset], given: frozenset[str]
) -> Iterator[str]:
    """A sentence for each given split that lost documents: its figures are not of all of them."""
    for name, counts in left_out.items():
        if name in given and counts:
            lost = sum(counts.values())
            yield (
                f"The given {name} split lost {lost:,} of {lost + len(splits[name]):,} documents "
                "to labels that are too rare in train (data.rare_labels=drop): "
                f"{counted_names(counts)}."
            )
