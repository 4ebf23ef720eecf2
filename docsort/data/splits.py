"""Which document goes to which split: positions in, positions out. Sees neither text nor file.

Documents that belong together (near-duplicates, a group) come as one cluster id, and a cluster is
never divided. Shares count copies once: a text that stands there a thousand times would else be all
that a split has of its label. ``copies_D`` says which documents are copies of each other; without
it, those of a cluster are. Everything random comes from the seed.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from docsort.core.errors import DataError
from docsort.data.labels import Ints, LabelPairs
from docsort.data.naming import counted_names

# A sample that lacked a label would teach that there is no such thing.
MIN_SAMPLED = 10


def share_out(
    labels: LabelPairs,
    cluster_D: Ints,
    shares: Mapping[str, float],
    seed: int,
    copies_D: Ints | None = None,
) -> dict[str, Ints]:
    """Ascending positions for each name in ``shares`` (which sum to 1), stratified by label.

    Within a label, the largest clusters go first (of equals, those with the most copies), each to
    the split that lacks the largest part of its share, but for heaps of copies (`_fill`); so a
    label with as many clusters as there are splits is found in all of them. A document with several
    labels, and a cluster with several documents, counts as its rarest label.
    """
    names = sorted(shares, key=lambda name: -shares[name])
    cluster_K, member_D, count_K = np.unique(cluster_D, return_inverse=True, return_counts=True)
    size_K = np.bincount(member_D[_one_of_each(cluster_D if copies_D is None else copies_D)])
    stratum_K = _strata(labels, member_D, len(cluster_K))
    random_K = np.random.default_rng(seed).random(len(cluster_K))
    order = np.lexsort((random_K, -count_K, -size_K, stratum_K))
    edges = np.flatnonzero(np.diff(stratum_K[order])) + 1
    place_K = np.empty(len(cluster_K), dtype=np.int64)
    for stratum in np.split(order, edges):
        sizes, counts = size_K[stratum].tolist(), count_K[stratum].tolist()
        place_K[stratum] = _fill(sizes, counts, [shares[name] for name in names])
    place_D = place_K[member_D]
    return {name: np.flatnonzero(place_D == i) for i, name in enumerate(names)}


def _one_of_each(copies_D: Ints) -> Ints:
    """A position for each text, whatever its copies: the first."""
    return np.unique(copies_D, return_index=True)[1].astype(np.int64)


def _strata(labels: LabelPairs, member_D: Ints, num_clusters: int) -> Ints:
    """(K,) the code of the rarest label in each cluster."""
    rarest_D = labels.rarest()
    counts = np.append(labels.counts(), np.iinfo(np.int64).max)
    order = np.lexsort((rarest_D, counts[rarest_D]))[::-1]  # rarest last, and the last one stays
    stratum_K = np.empty(num_clusters, dtype=np.int64)
    stratum_K[member_D[order]] = rarest_D[order]
    return stratum_K


def _fill(sizes: list[int], counts: list[int], shares: list[float]) -> list[int]:
    """For each cluster, in order, the split that lacks the largest part of what it should get.

    A split takes a cluster when it is empty, or when at least half of the cluster is lacking, so
    that shares are rounded and not always rounded up. ``sizes`` count copies once, ``counts`` all.
    A heap, with as many documents as a split should have in all, would decide that split's figures:
    it goes to the larger ones, while there are other clusters for the empty ones.
    """
    total = sum(sizes)
    want = [share * total for share in shares]
    lack = want.copy()
    copies = float(np.median(np.divide(counts, sizes)))  # as a text usually has
    places: list[int] = []
    for size, count in zip(sizes, counts, strict=True):
        splits = list(range(len(want)))
        empty = [i for i in splits if lack[i] == want[i]]
        if count > copies * size and len(sizes) - len(places) > len(empty):
            splits = [i for i in splits if count <= copies * want[i] or want[i] == max(want)]
        open_to = [i for i in splits if i in empty or lack[i] >= size / 2]
        place = max(open_to or splits, key=lambda i: lack[i] / want[i])
        lack[place] -= size
        places.append(place)
    return places


def by_time(
    time_D: npt.NDArray[np.float64],
    cluster_D: Ints,
    shares: Mapping[str, float],
    copies_D: Ints | None = None,
) -> dict[str, Ints]:
    """Like `share_out`, but the first name in ``shares`` gets the oldest documents, and so on.

    A cluster is as old as its oldest document. Documents of one time stay together. Raises
    DataError where a split would be empty for that.
    """
    _, member_D = np.unique(cluster_D, return_inverse=True)
    oldest_K = np.full(member_D.max() + 1, np.inf)
    np.minimum.at(oldest_K, member_D, time_D)
    _, rank_D = np.unique(oldest_K[member_D], return_inverse=True)
    count_T = np.bincount(rank_D[_one_of_each(cluster_D if copies_D is None else copies_D)])
    middle_T = (np.cumsum(count_T) - count_T / 2) / count_T.sum()
    ends = np.cumsum(list(shares.values()))[:-1]
    place_T = np.searchsorted(ends, middle_T, side="right")
    empty = [name for i, name in enumerate(shares) if i not in place_T]
    if empty:
        raise DataError(_tied(empty, list(shares), count_T))
    place_D = place_T[rank_D]
    return {name: np.flatnonzero(place_D == i) for i, name in enumerate(shares)}


def _tied(empty: list[str], names: list[str], count_T: Ints) -> str:
    """Why a split by time has no documents for ``empty``, and the settings that would help.

    ``count_T``: documents of each time, oldest first, copies counted once.
    """
    told = (
        f"data.time_column leaves no document for {' and '.join(empty)}: there are "
        f"{len(count_T)} different times for {len(names)} splits, up to {count_T.max():,} of "
        f"{count_T.sum():,} documents have the same one (copies counted once), and documents of "
        "one time stay together."
    )
    made = names[1:]  # newest last, as the times are
    if len(count_T) < len(names):
        return (
            f"{told} Name a column with finer times, or give val as a file (data.val=FILE), or a "
            "data.split_column that says train and test (val is then drawn from train)."
        )
    count_of = dict(zip(made, count_T[-len(made) :].tolist(), strict=True))
    shares = [f"data.{name}_share={_rounded(n / count_T.sum())}" for name, n in count_of.items()]
    return (
        f"{told} For one time each: {' '.join(shares)} (and data.max_held_out of "
        f"{max(count_of.values()):,} or more). Or name a column with finer times."
    )


def _rounded(share: float) -> float:
    """To three digits: enough for a share, and a setting that can be typed."""
    return float(f"{share:.3g}")


def joined(cluster_D: Ints, group_D: Ints) -> Ints:
    """(D,) ids of the finest clusters that divide neither a cluster nor a group."""
    nodes = int(cluster_D.max()) + 1
    edges = coo_array(
        (np.ones(len(cluster_D), dtype=np.int8), (cluster_D, nodes + group_D)),
        shape=(nodes + int(group_D.max()) + 1,) * 2,
    )
    _, component = connected_components(edges, directed=False)
    ids: Ints = component[cluster_D].astype(np.int64)
    return ids


def rare_labels(
    labels: LabelPairs, cluster_D: Ints, least: int, policy: Literal["refuse", "drop", "keep"]
) -> dict[str, int]:
    """Labels with fewer than ``least`` documents that are no copies of each other, with counts.

    Where they are dropped, other labels lose documents with them and may become rare in turn: those
    are among the answer, with the documents that they had at first.

    Args:
        labels: the documents' labels.
        cluster_D: (D,) ids of what counts once.
        least: data.min_per_label.
        policy: data.rare_labels.

    Raises:
        DataError: there are such labels, and they are refused.
    """
    found_C = _distinct_documents(labels, cluster_D, np.ones(labels.num_documents, dtype=bool))
    rare_C = found_C < least
    while policy == "drop":
        kept_D = np.ones(labels.num_documents, dtype=bool)
        kept_D[labels.document_P[rare_C[labels.code_P]]] = False
        more_C = _distinct_documents(labels, cluster_D, kept_D) < least
        if (more_C == rare_C).all():
            break
        rare_C = more_C
    rare = {labels.names[c]: int(found_C[c]) for c in np.flatnonzero(rare_C)}
    if rare and policy == "refuse":
        gone = np.unique(labels.document_P[rare_C[labels.code_P]])
        raise DataError(
            f"{len(rare)} labels have too few documents to split: {counted_names(rare)}. Each "
            f"needs at least {least} that are no copies of each other (data.min_per_label). "
            f"{_copies_told(cluster_D[gone]) if (labels.counts()[rare_C] >= least).any() else ''}"
            "Is data.label_column the right column? Add documents, merge labels, learn these "
            "labels without measuring them (data.rare_labels=keep), or leave all their documents "
            "out (data.rare_labels=drop)."
        )
    return rare


def _distinct_documents(labels: LabelPairs, cluster_D: Ints, kept_D: npt.NDArray[np.bool_]) -> Ints:
    """(C,) documents of each label that are no copies of each other, of those that are kept."""
    kept_P = kept_D[labels.document_P]
    pairs = np.stack([labels.code_P[kept_P], cluster_D[labels.document_P[kept_P]]])
    codes = np.unique(pairs, axis=1)[0]
    return np.bincount(codes, minlength=len(labels.names)).astype(np.int64)


def _copies_told(cluster_D: Ints) -> str:
    """What to know where documents are enough, but too many of them can't be divided."""
    copies = len(cluster_D) - len(np.unique(cluster_D))
    return (
        f"{copies:,} of the {len(cluster_D):,} documents with these labels are copies or near "
        "copies of others, as one form filled in differently is, or in a group with them "
        "(data.group_column): such stay on one side of a split that docsort makes. One of your own "
        "may divide them: data.val and data.test, or a data.split_column that says all three. "
    )


def few_per_label(labels: LabelPairs, keep: int, seed: int) -> Ints:
    """Ascending positions of up to ``keep`` documents of each label, drawn with the seed.

    A document with several labels counts for all of them. Of the documents without labels, the same
    fraction is kept as of the others.
    """
    by_document = np.split(labels.code_P, np.flatnonzero(np.diff(labels.document_P)) + 1)
    documents = np.unique(labels.document_P)
    left = [keep] * len(labels.names)
    kept = []
    generator = np.random.default_rng(seed)
    for place in generator.permutation(len(documents)).tolist():
        codes = by_document[place].tolist()
        if any(left[code] > 0 for code in codes):
            kept.append(documents[place])
            for code in codes:
                left[code] -= 1
    unlabelled = np.setdiff1d(np.arange(labels.num_documents), documents)
    num = round(len(unlabelled) * len(kept) / max(1, len(documents)))
    kept += generator.choice(unlabelled, size=num, replace=False).tolist()
    return np.sort(np.array(kept, dtype=np.int64))


def sample(labels: LabelPairs, num: int, seed: int) -> Ints:
    """Ascending positions: all, or about ``num``, drawn evenly but for MIN_SAMPLED of each label.

    More than ``num`` where there are so many labels.
    """
    if labels.num_documents <= num:
        return np.arange(labels.num_documents)
    kept = few_per_label(labels, MIN_SAMPLED, seed)
    others = np.setdiff1d(np.arange(labels.num_documents), kept)
    room = max(0, num - len(kept))
    drawn = np.random.default_rng(seed).choice(others, size=room, replace=False)
    return np.sort(np.concatenate([kept, drawn]))
