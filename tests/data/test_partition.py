"""Splits by column, group, time and fold, and what none of them may divide."""

from collections.abc import Callable
from typing import Any

import pytest

from docsort.core.errors import DataError
from docsort.data import partition
from docsort.data.corpus import Corpus
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from tests.data.conftest import csv_of, distinct_text

Write = Callable[[str, str | bytes], str]


def table(extra: str, values: list[Any]) -> str:
    """A csv of 3 documents of "b" for 4 of "a", with one more column."""
    rows = [
        f"{distinct_text(n)},{'aabaabb'[n % 7]},{value}" for n, value in enumerate(map(str, values))
    ]
    return "\n".join([f"text,label,{extra}", *rows]) + "\n"


def corpus_of(file: str, seed: int = 1, **given: Any) -> Corpus:
    return load_corpus(DataSettings(source="table", name="docs", train=file, **given), seed)


def rows_of(corpus: Corpus) -> dict[str, list[int]]:
    return {name: split["row"][:] for name, split in corpus.splits().items()}


def test_a_split_column(write: Write) -> None:
    words = ["train", "Validation", "test ", "dev", "training", "test", "train"] * 3
    corpus = corpus_of(write("t.csv", table("part", words)), split_column="part")
    rows = rows_of(corpus)
    assert rows["val"] == [1, 3, 8, 10, 15, 17]
    assert rows["test"] == [2, 5, 9, 12, 16, 19]
    assert corpus.given == {"val", "test"}


def test_a_split_column_without_val_has_it_split_off(write: Write) -> None:
    words = ["train"] * 30 + ["test"] * 5
    corpus = corpus_of(write("t.csv", table("part", words)), split_column="part")
    assert rows_of(corpus)["test"] == list(range(30, 35))
    assert (len(corpus.val), corpus.given) == (3, {"test"})


def test_a_split_column_with_another_word(write: Write) -> None:
    file = write("t.csv", table("part", ["train"] * 10 + ["hold-out"]))
    with pytest.raises(DataError, match=r"data.split_column=part: 1 row \(10\).*accepted: train"):
        corpus_of(file, split_column="part")


def test_groups_stay_whole(write: Write) -> None:
    groups = [f"customer {n % 20}" for n in range(140)]
    for seed in range(3):
        file = write("t.csv", table("customer", groups))
        rows = rows_of(corpus_of(file, seed, group_column="customer"))
        homes = [{row % 20 for row in some} for some in rows.values()]
        assert sum(map(len, homes)) == len(set.union(*homes)) == 20


@pytest.mark.parametrize(
    ("fold", "expected"),
    [
        ({}, {"train": 28, "val": 4, "test": 8}),
        ({"fold": 1, "num_folds": 5}, {"train": 31, "val": 4, "test": 5}),
    ],
)
def test_a_group_takes_the_share_of_its_texts(
    write: Write, fold: dict[str, int], expected: dict[str, int]
) -> None:
    texts = [*range(20), *[0] * 80, *range(20, 40)]  # a group of 20 texts and 80 copies of one
    rows = [f"{distinct_text(n)},a,{'x' if n < 20 else ''}" for n in texts]
    rows += [f"{distinct_text(n)},b," for n in range(40, 60)]
    file = write("t.csv", "\n".join(["text,label,customer", *rows]) + "\n")
    splits = rows_of(corpus_of(file, group_column="customer", **fold))
    found = {name: len({texts[row] for row in some if row < 120}) for name, some in splits.items()}
    assert found == expected


def test_group_names_are_trimmed(write: Write) -> None:
    spellings = ["{}", "{} ", " {}", "\u00a0{}\u2003"]
    groups = [spellings[n % 4].format(f"customer {n // 4}") for n in range(140)]
    rows = rows_of(corpus_of(write("t.csv", table("customer", groups)), group_column="customer"))
    homes = [{row // 4 for row in some} for some in rows.values()]
    assert sum(map(len, homes)) == len(set.union(*homes)) == 35


def test_groups_that_cross_a_given_split_are_found(write: Write) -> None:
    groups = [f"author {n % 10}" for n in range(70)]
    train = write("train.csv", table("author", groups))
    others = "".join(
        f"{distinct_text(100 + n)},a,{group}\n"
        for n, group in enumerate(["author 3 ", "nobody else", "", "author 9"])
    )
    test = write("test.csv", f"text,label,author\n{others}")
    corpus = corpus_of(train, test=test, group_column="author")
    assert corpus.crossing == {"test": (0, 3)}
    both = corpus_of(train, test=test, val=test, group_column="author")
    assert both.crossing == {"val": (0, 3), "test": (0, 1, 3)}
    words = ["train"] * 60 + ["test"] * 10
    file = write(
        "all.csv", table("author,part", [f"{a},{b}" for a, b in zip(groups, words, strict=True)])
    )
    by_column = corpus_of(file, split_column="part", group_column="author")
    assert by_column.crossing == {"test": tuple(range(60, 70))}
    unknown = corpus_of(train, test=write("o.csv", csv_of(["a", "b"])), group_column="author")
    assert unknown.crossing == {}
    assert "The given test split has no column 'author'" in unknown.notes[-1]


def test_rows_without_a_group_are_not_one_group(write: Write) -> None:
    groups = ["x", "x", *[""] * 98]
    corpus = corpus_of(write("t.csv", table("customer", groups)), group_column="customer")
    assert all(len(split) >= 5 for split in corpus.splits().values())


@pytest.mark.parametrize(
    "times",
    [[n * 1.5 for n in range(70)], [f"2024-0{1 + n // 28}-{1 + n % 28:02d}" for n in range(70)]],
)
def test_time_puts_the_newest_into_test(write: Write, times: list[Any]) -> None:
    order = [(n * 29) % 70 for n in range(70)]  # a permutation: the file isn't sorted
    file = write("t.csv", table("when", [times[place] for place in order]))
    rows = rows_of(corpus_of(file, time_column="when"))
    age = {name: sorted(order[row] for row in some) for name, some in rows.items()}
    assert age == {
        "train": list(range(49)),
        "val": list(range(49, 56)),
        "test": list(range(56, 70)),
    }


def test_a_time_that_cannot_be_read(write: Write) -> None:
    file = write("t.csv", table("when", [*["2024-01-01"] * 20, "yesterday"]))
    with pytest.raises(DataError, match=r"data.time_column=when: 1 rows .* first in row 20"):
        corpus_of(file, time_column="when")


def test_folds_cover_the_table_once(write: Write) -> None:
    file = write("t.csv", table("x", [0] * 70))
    folds = [rows_of(corpus_of(file, fold=k, num_folds=5)) for k in range(5)]
    assert sorted(row for fold in folds for row in fold["test"]) == list(range(70))
    for fold in folds:
        assert sorted(row for some in fold.values() for row in some) == list(range(70))
        assert [len(fold[name]) for name in ("train", "val", "test")] == [51, 5, 14]


def test_a_large_table_holds_out_no_more_than_is_of_use(write: Write) -> None:
    file = write("t.csv", table("when", list(range(70))))
    corpus = corpus_of(file, max_held_out=6)
    for held_out in (corpus.val, corpus.test):
        assert 6 <= len(held_out) <= 7  # shares are rounded label by label
    assert (
        "70 documents, copies counted once: about 6 are val (data.max_held_out)" in corpus.notes[0]
    )
    newest = rows_of(corpus_of(file, max_held_out=6, time_column="when"))
    assert newest["test"] == list(range(64, 70))
    fold = corpus_of(file, max_held_out=6, fold=0, num_folds=5)
    assert len(fold.test) == 14  # all folds together must be the whole table
    assert [note.split()[8] for note in fold.notes] == ["val"]
    assert corpus_of(file).notes == ()


def test_copies_count_once_in_what_is_held_out(write: Write) -> None:
    copies = "".join(f"{distinct_text(0)},a\n" for _ in range(300))
    corpus = corpus_of(write("t.csv", csv_of(["a", "b"] * 50) + copies), max_held_out=10)
    assert (len(corpus.val), len(corpus.test)) == (10, 10)
    assert "100 documents, copies counted once" in corpus.notes[0]


@pytest.mark.parametrize("labels", [["a", "b", "c"], [f"common|{n}" for n in range(9)]])
def test_a_rare_label_on_every_document_leaves_none(write: Write, labels: list[str]) -> None:
    with pytest.raises(DataError, match=r"No document is left.*fewer than 3 documents"):
        corpus_of(write("t.csv", csv_of(labels)), rare_labels="drop", label_separator="|")


def test_ways_to_split_that_would_do_nothing(write: Write) -> None:
    file, other = write("t.csv", table("x", [0] * 70)), write("o.csv", csv_of(["a", "b"]))
    words = write("w.csv", table("part", ["train"] * 9 + ["test"] * 9))
    with pytest.raises(DataError, match=r"data.time_column=x .*all given"):
        corpus_of(file, val=other, test=other, time_column="x")
    with pytest.raises(DataError, match=r"data.fold=0 makes the test split"):
        partition.partition(
            dict(corpus_of(words, split_column="part").splits()),
            DataSettings(source="newsgroups", name="n", fold=0, num_folds=5),
            seed=1,
        )


@pytest.mark.parametrize(
    ("limit", "most", "told"),
    [
        ("ROWS", 81, "82 documents: the split keeps exact copies together"),
        ("WORDS", 1092, "82 documents of about 1,093 words: the split keeps exact copies together"),
    ],
)
def test_a_huge_table_keeps_exact_copies_together_and_says_so(
    write: Write, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, told: str
) -> None:
    monkeypatch.setattr(partition, f"MAX_NEAR_DUPLICATE_{limit}", most)
    copies = f"  {distinct_text(999).upper()} ,a\n{distinct_text(999)},a\n"
    corpus = corpus_of(write("t.csv", csv_of(["a", "b"] * 40) + copies))
    homes = {name for name, rows in rows_of(corpus).items() if {80, 81} & set(rows)}
    assert len(homes) == 1
    assert told in corpus.notes[0]
    monkeypatch.setattr(partition, f"MAX_NEAR_DUPLICATE_{limit}", most + 1)
    assert corpus_of(write("t.csv", csv_of(["a", "b"] * 40) + copies)).notes == ()


def test_multi_label_from_file_to_corpus(write: Write) -> None:
    rows = [f"{distinct_text(n)},{'x;y' if n % 4 == 0 else 'y'}" for n in range(60)]
    file = write("t.csv", "text,label\n" + "\n".join(rows) + "\n")
    corpus = corpus_of(file, label_separator=";")
    assert (corpus.task, corpus.labels) == ("multi_label", ("x", "y"))
    assert sum(labels == ["x", "y"] for labels in corpus.test["label"]) == 3
