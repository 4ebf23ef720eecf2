"""Stratified, seeded shares; rare labels; few documents a label."""

import numpy as np
import pytest

from docsort.core.errors import DataError
from docsort.data.labels import LabelPairs
from docsort.data.splits import by_time, few_per_label, joined, rare_labels, share_out

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def single(*codes: int) -> LabelPairs:
    names = tuple("abcdefgh"[: max(codes) + 1])
    return LabelPairs(np.arange(len(codes)), np.array(codes), names, len(codes))


def multi(*codes: tuple[int, ...]) -> LabelPairs:
    pairs = [(d, c) for d, some in enumerate(codes) for c in some]
    documents, flat = (np.array(side) for side in zip(*pairs, strict=True))
    return LabelPairs(documents, flat, tuple("abcdefgh"[: flat.max() + 1]), len(codes))


def sizes(places: dict[str, np.ndarray]) -> dict[str, int]:
    return {name: len(place) for name, place in places.items()}


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        (3, {"train": 1, "test": 1, "val": 1}),
        (5, {"train": 3, "test": 1, "val": 1}),
        (10, {"train": 7, "test": 2, "val": 1}),
        (100, {"train": 70, "test": 20, "val": 10}),
    ],
)
def test_shares_of_one_label(documents: int, expected: dict[str, int]) -> None:
    places = share_out(single(*[0] * documents), np.arange(documents), SHARES, seed=0)
    assert sizes(places) == expected
    assert sorted(np.concatenate(list(places.values()))) == list(range(documents))


def test_every_label_has_its_share() -> None:
    labels = single(*[0] * 50, *[1] * 20, *[2] * 3)
    places = share_out(labels, np.arange(73), SHARES, seed=0)
    for split, expected in {"train": [35, 14, 1], "val": [5, 2, 1], "test": [10, 4, 1]}.items():
        assert np.bincount(labels.code_P[places[split]]).tolist() == expected


def test_clusters_stay_whole() -> None:
    rng = np.random.default_rng(0)
    cluster_D = rng.integers(0, 60, size=200)
    places = share_out(single(*rng.integers(0, 3, size=200)), cluster_D, SHARES, seed=0)
    homes = [set(cluster_D[place]) for place in places.values()]
    assert len(set.union(*homes)) == sum(len(home) for home in homes)
    assert sizes(places)["train"] == pytest.approx(140, abs=12)


def test_one_great_cluster_leaves_the_rest_to_the_others() -> None:
    cluster_D = np.array([0] * 10 + [1, 2])
    places = share_out(single(*[0] * 12), cluster_D, SHARES, seed=0)
    assert sizes(places) == {"train": 10, "test": 1, "val": 1}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        (SHARES, {"train": 15, "test": 4, "val": 2}),
        ({"train": 0.9, "val": 0.1}, {"train": 19, "val": 2}),
    ],
)
def test_a_heap_of_copies_counts_as_one_document(
    shares: dict[str, float], expected: dict[str, int]
) -> None:
    cluster_D = np.array([0] * 80 + list(range(1, 21)))
    for seed in range(3):
        places = share_out(single(*[0] * 100), cluster_D, shares, seed)
        found = {name: len(set(cluster_D[place])) for name, place in places.items()}
        assert found == expected
        assert 0 in places["train"]  # where copies of one text decide no figure


@pytest.mark.parametrize("singles", [0, 1, 18])
def test_heaps_of_copies_decide_no_figure(singles: int) -> None:
    """They go where most is learned from, while there is something else for the other splits."""
    heaps = np.repeat([0, 1, 2], [80, 60, 40])
    cluster_D = np.append(heaps, np.arange(3, 3 + singles))
    for seed in range(3):
        places = share_out(single(*[0] * len(cluster_D)), cluster_D, SHARES, seed)
        found = {name: len({0, 1, 2} & set(cluster_D[place])) for name, place in places.items()}
        assert all(map(len, places.values()))
        assert found["train"] == {0: 1, 1: 2, 18: 3}[singles]


@pytest.mark.parametrize("copies", [3, 50])
def test_where_every_text_is_copied_none_is_a_heap(copies: int) -> None:
    cluster_D = np.repeat(np.arange(20), copies)
    places = share_out(single(*[0] * len(cluster_D)), cluster_D, SHARES, 0)
    found = {name: len(set(cluster_D[place])) for name, place in places.items()}
    assert found == {"train": 14, "test": 4, "val": 2}


def test_heaps_of_copies_are_shared_out_to_folds() -> None:
    cluster_D = np.append(np.repeat([0, 1, 2], [80, 60, 40]), np.arange(3, 21))
    folds = share_out(single(*[0] * 198), cluster_D, {"0": 1 / 3, "1": 1 / 3, "2": 1 / 3}, 0)
    assert [len(set(cluster_D[fold])) for fold in folds.values()] == [7, 7, 7]
    assert all(len({0, 1, 2} & set(cluster_D[fold])) == 1 for fold in folds.values())


def test_a_group_counts_as_the_texts_in_it() -> None:
    group_D = np.array([n // 4 for n in range(40)] + [0] * 80)
    copies_D = np.array([*range(40), *[0] * 80])
    places = share_out(single(*[0] * 120), group_D, SHARES, 0, copies_D)
    found = {name: len(set(group_D[place])) for name, place in places.items()}
    assert found == {"train": 7, "test": 2, "val": 1}


def test_the_seed_decides() -> None:
    labels, clusters = single(*[0] * 40), np.arange(40)
    first, again, other = (share_out(labels, clusters, SHARES, seed)["test"] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_a_document_counts_as_its_rarest_label() -> None:
    labels = multi(*[(0,)] * 20, *[(0, 1)] * 10, *[()] * 10)
    assert labels.rarest().tolist() == [0] * 20 + [1] * 10 + [2] * 10
    places = share_out(labels, np.arange(40), SHARES, seed=0)
    assert sum(20 <= d < 30 for d in places["test"]) == 2


def test_folds_cover_everything_once() -> None:
    shares = {str(k): 1 / 5 for k in range(5)}
    folds = share_out(single(*[0] * 25, *[1] * 10), np.arange(35), shares, seed=0)
    assert [len(place) for place in folds.values()] == [7] * 5


def test_time_gives_the_newest_to_test() -> None:
    time_D = np.array([5.0, 1, 9, 3, 7, 2, 8, 4, 6, 0])
    places = by_time(time_D, np.arange(10), SHARES)
    assert time_D[places["test"]].tolist() == [9, 8]
    assert time_D[places["val"]].tolist() == [7]


def test_copies_are_as_old_as_the_oldest_and_equal_times_stay_together() -> None:
    cluster_D = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 0])
    assert 9 in by_time(np.arange(10.0), cluster_D, SHARES)["train"]
    same = by_time(np.array([1.0] * 5 + [2.0] * 5), np.arange(10), {"train": 0.7, "test": 0.3})
    assert same["test"].tolist() == [5, 6, 7, 8, 9]


def test_time_counts_copies_once() -> None:
    cluster_D = np.array([0] * 80 + list(range(1, 21)))
    places = by_time(cluster_D.astype(np.float64), cluster_D, SHARES)
    assert cluster_D[places["test"]].tolist() == [17, 18, 19, 20]
    assert cluster_D[places["val"]].tolist() == [15, 16]


def test_joined_follows_chains() -> None:
    ids = joined(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8]))
    assert len(set(ids[:3])) == 1
    assert len(set(ids)) == 3


def test_rare_labels_count_clusters_not_copies() -> None:
    labels, clusters = single(0, 0, 0, 1, 1, 1), np.array([0, 1, 2, 3, 3, 4])
    with pytest.raises(DataError, match=r"'b' \(2\)"):
        rare_labels(labels, clusters, 3, "refuse")
    assert rare_labels(labels, clusters, 3, "drop") == {"b": 2}
    assert rare_labels(labels, clusters, 2, "refuse") == {}


def test_a_label_that_becomes_rare_by_dropping_another_is_rare_too() -> None:
    # "a" loses 4 of its 6 documents with "b", and "c" all of its 3 with "a"; "d" keeps 4
    labels = multi(*[(0, 1)] * 2, *[(0,)] * 1, *[(0, 2)] * 3, *[(3,)] * 4)
    assert rare_labels(labels, np.arange(10), 5, "keep") == {"b": 2, "c": 3, "d": 4}
    assert rare_labels(labels, np.arange(10), 3, "keep") == {"b": 2}
    assert rare_labels(labels, np.arange(10), 3, "drop") == {"b": 2}
    assert rare_labels(labels, np.arange(10), 4, "drop") == {"a": 6, "b": 2, "c": 3}
    assert len(rare_labels(labels, np.arange(10), 9, "drop")) == 4


def test_tied_times_are_told_with_shares_that_work() -> None:
    years = np.array([2023.0] * 12 + [2024.0] * 28 + [2025.0] * 20)
    with pytest.raises(DataError, match=r"no document for val: .* 3 .*up to 28 of 60") as told:
        by_time(years, np.arange(60), SHARES)
    assert "data.val_share=0.467 data.test_share=0.333" in str(told.value)
    shares = {"train": 0.2, "val": 0.467, "test": 0.333}
    assert [len(place) for place in by_time(years, np.arange(60), shares).values()] == [12, 28, 20]
    with pytest.raises(DataError, match=r"2 different times for 3 splits.*data\.val=FILE"):
        by_time(years[12:], np.arange(48), SHARES)


def test_few_per_label() -> None:
    labels = single(*[0] * 10, *[1] * 2)
    kept = few_per_label(labels, 4, seed=0)
    assert np.bincount(labels.code_P[kept]).tolist() == [4, 2]
    several = few_per_label(multi(*[(0, 1)] * 6), 3, seed=0)
    assert len(several) == 3


def test_few_per_label_keeps_documents_without_labels_in_proportion() -> None:
    labels = multi(*[(0,)] * 40, *[()] * 20)
    kept = few_per_label(labels, 10, seed=0)
    assert (int((kept < 40).sum()), int((kept >= 40).sum())) == (10, 5)
