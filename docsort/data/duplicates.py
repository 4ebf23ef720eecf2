"""Exact and near duplicate texts: texts in, cluster ids out. Knows nothing of labels or splits.

Two texts are exact duplicates when they are equal after white space is folded and case lowered, and
near duplicates when the Jaccard similarity of their sets of word shingles (runs of `SHINGLE_WORDS`
words) reaches a threshold. MinHash proposes the pairs, their true similarity decides (Broder, "On
the resemblance and containment of documents", 1997; the permutations are datasketch's). Clusters
are the connected components of the pairs found, so a split that keeps clusters whole divides none.

datasketch's own LSH index answers one query at a time with everything in its buckets, which is
quadratic for a table of form letters; here bands are sorted as columns, and a bucket's texts meet
a bounded number of neighbours.

Everything follows from the texts and their order: words are hashed by blake2b, permutations are
seeded, and nothing depends on the order of a set, so PYTHONHASHSEED changes nothing.

Legend: D documents, S shingles, P pairs.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Self

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

SHINGLE_WORDS = 3

NEAR_THRESHOLD = 0.7
"""Jaccard similarity from which two texts count as near duplicates."""

NUM_PERMUTATIONS = 128

MIN_RECALL = 0.999
"""Least chance that a pair exactly at the threshold is proposed; closer ones have a better."""

MAX_PARTNERS = 32
"""Texts of one bucket that each text is compared with. It keeps ten thousand letters written from
one form from becoming 50 million comparisons a band; the chain of neighbours still joins them."""

PAIRS_PER_BLOCK = 20_000
"""Proposed pairs verified at once, which bounds the memory of a block's sparse products."""

# A word is a run of letters and digits, or one character of a script written without spaces.
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class CrossDuplicates:
    """The texts of a right set that have a duplicate in a left set, each with its closest one.

    All arrays have shape (P,), one entry a right text, ascending in `right`.
    """

    left: Positions
    """Position of the most similar left text, the first of equals."""
    right: Positions
    """Position of the right text; none appears twice."""
    similarity: NDArray[np.float64]
    """Jaccard similarity of the two, from the threshold to 1; 1 for exact duplicates."""
    exact: NDArray[np.bool_]
    """Whether they are equal after white space is folded and case lowered."""

    def __post_init__(self) -> None:
        if not len(self.left) == len(self.right) == len(self.similarity) == len(self.exact):
            raise ValueError("left, right, similarity and exact must have one length")

    def __len__(self) -> int:
        return len(self.right)


def fold(text: str) -> str:
    """The text with runs of white space made one space, its ends trimmed and its case lowered."""
    return " ".join(text.split()).lower()


def exact_clusters(texts: Iterable[str]) -> Positions:
    """Cluster ids (D,) of the texts equal after `fold`, numbered from 0 as they first appear.

    Reads the texts once and keeps a 16-byte digest of each distinct one, so millions of rows fit.
    """
    seen: dict[bytes, int] = {}
    ids = (seen.setdefault(_digest(fold(text), 16), len(seen)) for text in texts)
    return np.fromiter(ids, dtype=np.int64)


def duplicate_clusters(texts: Iterable[str], threshold: float = NEAR_THRESHOLD) -> Positions:
    """Cluster ids (D,) of exact and near duplicates, numbered from 0 as they first appear.

    Raises ValueError when the threshold is not in (0, 1].
    """
    rows_per_band = _rows_per_band(threshold)
    texts = list(texts)
    exact = exact_clusters(texts)
    shingles = _ShingleSets.of(texts[row] for row in first_of_each(exact).tolist())
    first = np.arange(shingles.num_texts)
    for keys, rows in shingles.bands(rows_per_band):
        for pairs in _proposed_within(keys, rows):
            apart = pairs[first[pairs[:, 0]] != first[pairs[:, 1]]]
            near = apart[shingles.jaccard(apart) >= threshold]
            first = _joined(first, near)
    return _numbered_as_they_appear(first[exact])


def first_of_each(clusters: Positions) -> Positions:
    """Ascending positions of the first member of each cluster: the rows to keep."""
    return np.sort(np.unique(clusters, return_index=True)[1]).astype(np.int64)


def duplicates_across(
    left_texts: Iterable[str], right_texts: Iterable[str], threshold: float = NEAR_THRESHOLD
) -> CrossDuplicates:
    """The right texts (say, test) that have an exact or near duplicate among the left (train).

    Duplicates within either set are not looked for. Raises ValueError when the threshold is not in
    (0, 1].
    """
    rows_per_band = _rows_per_band(threshold)
    left_texts = list(left_texts)
    num_left = len(left_texts)
    texts = [*left_texts, *right_texts]
    exact = exact_clusters(texts)
    closest = _Closest(len(texts) - num_left)
    closest.offer(_first_twins(exact, num_left), _EXACT)
    shingles = _ShingleSets.of(texts)
    for keys, rows in shingles.bands(rows_per_band):
        for pairs in _proposed_between(keys, rows, num_left):
            similarity = shingles.jaccard(pairs)
            near = similarity >= threshold
            closest.offer(pairs[near] - np.array([0, num_left]), similarity[near])
    return closest.found()


_EXACT = 2.0
"""Ranks an exact duplicate above every near one, whose similarity is at most 1."""


class _Closest:
    """The most similar left text offered so far to each right text; of equals, the first."""

    def __init__(self, num_right: int) -> None:
        self._similarity = np.zeros(num_right)
        self._left = np.full(num_right, -1, dtype=np.int64)

    def offer(self, pairs: Positions, similarity: NDArray[np.float64] | float) -> None:
        """Consider pairs (P, 2) of left and right positions with similarities (P,), all above 0."""
        left, right = pairs[:, 0], pairs[:, 1]
        score = np.broadcast_to(np.asarray(similarity, dtype=np.float64), right.shape)
        seen = self._similarity[right]
        better = (score > seen) | ((score == seen) & (left < self._left[right]))
        left, right, score = left[better], right[better], score[better]
        # Of several offers to one right text the best is assigned last, and so stays.
        order = np.lexsort((-left, score))
        self._left[right[order]] = left[order]
        self._similarity[right[order]] = score[order]

    def found(self) -> CrossDuplicates:
        right = np.flatnonzero(self._left >= 0)
        similarity = self._similarity[right]
        return CrossDuplicates(
            left=self._left[right],
            right=right,
            similarity=np.minimum(similarity, 1.0),
            exact=similarity == _EXACT,
        )


@dataclass(frozen=True)
class _ShingleSets:
    """The shingle sets of D texts; text d has `hashes[starts[d] : starts[d + 1]]`, ascending."""

    hashes: NDArray[np.uint64]
    """(S,) 64-bit hashes, none twice in one text."""
    starts: Positions
    """(D + 1,)"""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        word_hashes = _WordHashes()
        sets = [_shingles(text, word_hashes) for text in texts]
        starts = np.cumsum([0, *map(len, sets)], dtype=np.int64)
        return cls(np.concatenate([np.empty(0, dtype=np.uint64), *sets]), starts)

    @property
    def num_texts(self) -> int:
        return len(self.starts) - 1

    def bands(self, rows_per_band: int) -> Iterator[tuple[NDArray[np.uint64], Positions]]:
        """For each LSH band the key of every text that has a word, ascending, and its position.

        Texts without a word (nothing, or only punctuation) are left to the exact duplicates.
        """
        rows = np.flatnonzero(np.diff(self.starts))
        signatures = self._signatures(rows)
        for start in range(0, NUM_PERMUTATIONS, rows_per_band):
            keys = _mixed(signatures[:, start : start + rows_per_band].astype(np.uint64))
            order = np.argsort(keys, kind="stable")
            yield keys[order], rows[order]

    def jaccard(self, pairs: Positions) -> NDArray[np.float64]:
        """True similarity (P,) of pairs (P, 2) of texts that have a word."""
        left, right = pairs[:, 0], pairs[:, 1]
        shared = self._membership[left].multiply(self._membership[right]).sum(axis=1)
        sizes = np.diff(self.starts)
        return np.asarray(shared / (sizes[left] + sizes[right] - shared), dtype=np.float64)

    @cached_property
    def _membership(self) -> csr_array:
        """(D, distinct shingles) of ones."""
        distinct, columns = np.unique(self.hashes, return_inverse=True)
        ones = np.ones(len(columns), dtype=np.int32)
        return csr_array((ones, columns, self.starts), shape=(self.num_texts, len(distinct)))

    def _signatures(self, rows: Positions) -> NDArray[np.uint32]:
        """MinHash signatures (len(rows), NUM_PERMUTATIONS)."""
        # The shingles' own hashes serve, cut to the 32 bits that the permutations take.
        hashes = (self.hashes & np.uint64(2**32 - 1)).astype(np.uint32)
        sets = (hashes[self.starts[row] : self.starts[row + 1]] for row in rows.tolist())
        minhashes = MinHash.generator(sets, num_perm=NUM_PERMUTATIONS, hashfunc=_itself)
        signatures = np.empty((len(rows), NUM_PERMUTATIONS), dtype=np.uint32)
        for position, minhash in enumerate(minhashes):
            signatures[position] = minhash.hashvalues
        return signatures


class _WordHashes(dict[str, int]):
    """A 64-bit hash for every word asked for, the same in every process."""

    def __missing__(self, word: str) -> int:
        value = int.from_bytes(_digest(word, 8), "little")
        self[word] = value
        return value


def _shingles(text: str, word_hashes: _WordHashes) -> NDArray[np.uint64]:
    """Ascending distinct hashes of the text's shingles; of all its words together when it has fewer
    than `SHINGLE_WORDS`; none when it has no word."""
    words = np.array([word_hashes[word] for word in _WORD.findall(text.lower())], dtype=np.uint64)
    if len(words) == 0:
        return words
    size = min(SHINGLE_WORDS, len(words))
    return np.unique(_mixed(np.lib.stride_tricks.sliding_window_view(words, size)))


def _mixed(columns: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One 64-bit hash (N,) of each row of (N, K), sensitive to order: MurmurHash3's finalizer."""
    mixed = np.full(len(columns), columns.shape[1], dtype=np.uint64)
    for column in columns.T:
        mixed = (mixed ^ column) * np.uint64(0xFF51AFD7ED558CCD)
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        mixed = mixed ^ (mixed >> np.uint64(33))
    return mixed


def _rows_per_band(threshold: float) -> int:
    """Signature rows in a band: the most, so the fewest false proposals, that keep `MIN_RECALL`."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} must be above 0 and at most 1")
    for rows in (16, 8, 4, 2):
        if 1 - (1 - threshold**rows) ** (NUM_PERMUTATIONS // rows) >= MIN_RECALL:
            return rows
    return 1


def _proposed_within(keys: NDArray[np.uint64], rows: Positions) -> Iterator[Positions]:
    """Blocks of pairs (P, 2): each text with up to `MAX_PARTNERS` before it in its bucket."""
    position = np.arange(len(keys))
    starts = np.maximum(np.searchsorted(keys, keys, side="left"), position - MAX_PARTNERS)
    for partner, member in _expanded(starts, position):
        yield np.column_stack([rows[partner], rows[member]])


def _proposed_between(
    keys: NDArray[np.uint64], rows: Positions, num_left: int
) -> Iterator[Positions]:
    """Blocks of pairs (P, 2): each right text with up to `MAX_PARTNERS` left ones of its bucket."""
    is_left = rows < num_left
    left_keys, left_rows, right_rows = keys[is_left], rows[is_left], rows[~is_left]
    starts = np.searchsorted(left_keys, keys[~is_left], side="left")
    stops = np.searchsorted(left_keys, keys[~is_left], side="right")
    for partner, member in _expanded(starts, np.minimum(stops, starts + MAX_PARTNERS)):
        yield np.column_stack([left_rows[partner], right_rows[member]])


def _expanded(starts: Positions, stops: Positions) -> Iterator[tuple[Positions, Positions]]:
    """Every (p, i) with starts[i] <= p < stops[i], in blocks of about `PAIRS_PER_BLOCK`."""
    counts = stops - starts
    members = np.flatnonzero(counts)
    ends = np.cumsum(counts[members])
    num_blocks = int(ends[-1]) // PAIRS_PER_BLOCK + 1 if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(1, num_blocks) * PAIRS_PER_BLOCK)
    for block in np.split(members, cuts):
        repeated = np.repeat(block, counts[block])
        offsets = np.arange(len(repeated)) - np.repeat(
            np.cumsum(counts[block]) - counts[block], counts[block]
        )
        yield starts[repeated] + offsets, repeated


def _joined(first: Positions, pairs: Positions) -> Positions:
    """`first` (D,), the first member of each text's cluster, after pairs (P, 2) join clusters."""
    if len(pairs) == 0:
        return first
    edges = np.concatenate([np.column_stack([first, np.arange(len(first))]), pairs])
    graph = coo_array((np.ones(len(edges), dtype=np.int8), edges.T), shape=(len(first),) * 2)
    _, component = connected_components(graph, directed=False)
    _, first_row, of_text = np.unique(component, return_index=True, return_inverse=True)
    return np.asarray(first_row[of_text], dtype=np.int64)


def _numbered_as_they_appear(clusters: Positions) -> Positions:
    """The same clusters with ids 0, 1, 2 … in order of first appearance."""
    _, first_row, of_text = np.unique(clusters, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first_row))[of_text], dtype=np.int64)


def _first_twins(exact: Positions, num_left: int) -> Positions:
    """Pairs (P, 2) of the first left text equal to a right one, and that right one's position."""
    left_ids, first_row = np.unique(exact[:num_left], return_index=True)
    right = np.flatnonzero(np.isin(exact[num_left:], left_ids))
    left = first_row[np.searchsorted(left_ids, exact[num_left:][right])]
    return np.column_stack([left, right])


def _digest(text: str, num_bytes: int) -> bytes:
    # Half a surrogate pair can't be encoded, yet may stand in a badly decoded table.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=num_bytes).digest()


def _itself(value: np.uint32) -> np.uint32:
    return value
