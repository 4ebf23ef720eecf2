"""Duplicate clusters against literal cases and against a brute-force count."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from docsort.data.duplicates import (
    CrossDuplicates,
    duplicate_clusters,
    duplicates_across,
    exact_clusters,
    first_of_each,
    fold,
)

WORDS = [f"w{number}" for number in range(400)]


def page(start: int, length: int = 40) -> str:
    """A text that shares words with its neighbours in `start`, and so some of its shingles."""
    return " ".join(WORDS[start : start + length])


def shingle_set(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    size = min(3, len(words))
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


def similarity(left: str, right: str) -> float:
    a, b = shingle_set(left), shingle_set(right)
    return len(a & b) / len(a | b)


def brute_force_clusters(texts: list[str], threshold: float) -> list[int]:
    """Connected components by relabelling: slow and plain."""
    clusters = list(range(len(texts)))
    for right in range(len(texts)):
        for left in range(right):
            if similarity(texts[left], texts[right]) >= threshold:
                old, new = clusters[right], clusters[left]
                clusters = [new if cluster == old else cluster for cluster in clusters]
    names: dict[int, int] = {}
    return [names.setdefault(cluster, len(names)) for cluster in clusters]


def random_pages(seed: int, num_pages: int) -> list[str]:
    """Pages whose pairwise similarities cover the whole range."""
    rng = np.random.default_rng(seed)
    texts = []
    for start in rng.integers(0, 300, num_pages).tolist():
        words = page(start // 40 * 40, 60).split()
        for place in rng.integers(0, 60, rng.integers(0, 12)).tolist():
            words[place] = f"other{rng.integers(1000)}"
        texts.append(" ".join(words))
    return texts


def test_fold() -> None:
    assert fold("  The\tquick\n\nFOX ") == "the quick fox"


def test_exact_clusters_fold_white_space_and_case() -> None:
    texts = ["b c", "A b", "B  C", "a\nb ", "", "a  b!", " "]
    assert exact_clusters(texts).tolist() == [0, 1, 0, 1, 2, 3, 2]


def test_near_duplicates_join() -> None:
    texts = [page(0), page(200), page(0) + " more", page(100)]
    assert duplicate_clusters(texts).tolist() == [0, 1, 0, 2]


def test_punctuation_does_not_tell_pages_apart() -> None:
    text = "Compute the mean of an array, over the axes given"
    assert duplicate_clusters([text, text.replace(",", ";") + "."]).tolist() == [0, 0]


def test_word_order_tells_pages_apart() -> None:
    words = page(0).split()
    assert duplicate_clusters([" ".join(words), " ".join(reversed(words))]).tolist() == [0, 1]


def test_clusters_are_chains_of_similar_pages() -> None:
    chain = [page(0, 60), page(5, 60), page(10, 60)]
    assert min(similarity(a, b) for a, b in pairwise(chain)) > 0.8
    assert similarity(chain[0], chain[2]) < 0.8
    assert duplicate_clusters(chain, threshold=0.8).tolist() == [0, 0, 0]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_clusters_equal_brute_force(threshold: float) -> None:
    texts = random_pages(seed=3, num_pages=150)
    expected = brute_force_clusters(texts, threshold)
    assert 5 < len(set(expected)) < 150
    assert duplicate_clusters(texts, threshold).tolist() == expected


def test_short_and_wordless_texts_are_only_exact_duplicates() -> None:
    texts = ["yes", "no", "", "...", "!!!", "yes no", "Yes", "..."]
    assert duplicate_clusters(texts).tolist() == [0, 1, 2, 3, 4, 5, 0, 3]


def test_scripts_without_spaces_are_compared_by_character() -> None:
    text = "雲一つない青空の下で子供たちが元気に遊んでいます"
    assert duplicate_clusters([text, text + "よ", "全く違う文章がここにあります"]).tolist() == [
        0,
        0,
        1,
    ]


def test_half_a_surrogate_pair_is_a_text_like_any_other() -> None:
    assert duplicate_clusters(["broken \ud800 text", "whole text"]).tolist() == [0, 1]


def test_many_copies_of_one_form_are_one_cluster() -> None:
    texts = [f"{page(0)} number {number}" for number in range(2000)]
    assert duplicate_clusters([*texts, page(200)]).tolist() == [0] * 2000 + [1]


def test_no_texts() -> None:
    assert duplicate_clusters([]).tolist() == []
    assert exact_clusters([]).tolist() == []
    assert first_of_each(duplicate_clusters([])).tolist() == []
    assert len(duplicates_across([], ["a"])) == 0
    assert len(duplicates_across(["a"], [])) == 0


def test_first_of_each() -> None:
    assert first_of_each(np.array([0, 1, 0, 2, 1, 3])).tolist() == [0, 1, 3, 5]
    assert first_of_each(np.array([7, 3, 7, 3])).tolist() == [0, 1]


def test_across_reports_the_closest_left_text() -> None:
    near, nearer = page(0) + " some more words", page(0) + " more"
    found = duplicates_across([page(200), near, nearer], [page(100), page(0), page(300)])
    assert found.right.tolist() == [1]
    assert found.left.tolist() == [2]
    assert found.similarity.tolist() == [similarity(nearer, page(0))]
    assert found.exact.tolist() == [False]


def test_across_ranks_exact_above_same_shingles_and_then_by_place() -> None:
    left = [page(0) + ".", page(0).upper(), page(0)]
    found = duplicates_across(left, [page(0), page(0) + "!"])
    assert found.right.tolist() == [0, 1]
    assert found.left.tolist() == [1, 0]
    assert found.similarity.tolist() == [1.0, 1.0]
    assert found.exact.tolist() == [True, False]


def test_across_finds_wordless_exact_duplicates() -> None:
    found = duplicates_across(["...", "a b c"], ["!!", " ... "])
    assert (found.left.tolist(), found.right.tolist()) == ([0], [1])
    assert found.exact.tolist() == [True]


def test_across_ignores_duplicates_within_a_side() -> None:
    assert len(duplicates_across([page(0), page(0)], [page(200), page(200)])) == 0


def test_across_equals_brute_force() -> None:
    texts = random_pages(seed=4, num_pages=200)
    left, right = texts[:120], texts[120:]
    best = [max(similarity(a, b) for a in left) for b in right]
    expected = [row for row, score in enumerate(best) if score >= 0.7]
    found = duplicates_across(left, right)
    assert 5 < len(expected) < 75
    assert found.right.tolist() == expected
    assert found.similarity.tolist() == [best[row] for row in expected]
    for a, b, score in zip(found.left, found.right, found.similarity, strict=True):
        assert similarity(left[a], right[b]) == score


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1])
def test_impossible_thresholds_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        duplicate_clusters(["a"], threshold)
    with pytest.raises(ValueError, match="threshold"):
        duplicates_across(["a"], ["a"], threshold)


def test_ragged_cross_duplicates_are_refused() -> None:
    one, two = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match="one length"):
        CrossDuplicates(one, two, np.zeros(1), np.zeros(1, dtype=np.bool_))


def test_clusters_do_not_depend_on_the_hash_seed() -> None:
    texts = random_pages(seed=5, num_pages=60)
    program = (
        "import json, sys\n"
        "from docsort.data.duplicates import duplicate_clusters\n"
        "print(duplicate_clusters(json.load(sys.stdin), 0.6).tolist())\n"
    )
    for hash_seed in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(texts),
            env={
                **os.environ,
                "PYTHONHASHSEED": hash_seed,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert json.loads(answer) == duplicate_clusters(texts, 0.6).tolist()
