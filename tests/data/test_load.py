"""Settings to corpus: every step together, on real files."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from docsort.core.errors import DataError
from docsort.data import sources
from docsort.data.load import load_corpus, load_labelled
from docsort.data.rows import Rows
from docsort.data.settings import DataSettings
from docsort.data.tables import read_table
from tests.data.conftest import csv_of, distinct_text

Write = Callable[[str, str | bytes], str]
LABELS = ["a"] * 20 + ["b"] * 10


def settings(**given: Any) -> DataSettings:
    return DataSettings(**{"source": "table", "name": "docs", **given})


def rows_of(corpus: Any) -> dict[str, list[int]]:
    return {name: list(split["row"]) for name, split in corpus.splits().items()}


def test_one_file_is_split_by_label_with_the_seed(write: Write) -> None:
    file = write("all.csv", csv_of(LABELS))
    corpus = load_corpus(settings(train=file), seed=1)
    assert {name: len(split) for name, split in corpus.splits().items()} == {
        "train": 21,
        "val": 3,
        "test": 6,
    }
    assert sorted(corpus.test["label"][:]) == ["a"] * 4 + ["b"] * 2
    assert corpus.labels == ("a", "b")
    assert corpus.task == "single_label"
    assert corpus.given == frozenset()
    assert sorted(row for rows in rows_of(corpus).values() for row in rows) == list(range(30))
    assert rows_of(load_corpus(settings(train=file), seed=1)) == rows_of(corpus)
    assert rows_of(load_corpus(settings(train=file), seed=2)) != rows_of(corpus)


def test_rows_keep_their_number_and_text(write: Write) -> None:
    corpus = load_corpus(settings(train=write("all.csv", csv_of(LABELS))), seed=1)
    for split in corpus.splits().values():
        assert [distinct_text(row) for row in split["row"]] == split["text"][:]


def test_given_files_stay_as_they_are_and_only_val_is_split_off(write: Write) -> None:
    train, test = write("train.csv", csv_of(LABELS)), write("test.csv", csv_of(["b", "a"]))
    corpus = load_corpus(settings(train=train, test=test), seed=1)
    assert rows_of(corpus)["test"] == [0, 1]
    assert (len(corpus.train), len(corpus.val)) == (27, 3)
    assert corpus.given == {"test"}
    assert set(corpus.sources) == {"train:train.csv", "test:test.csv"}


def test_near_duplicates_never_fall_on_two_sides(write: Write) -> None:
    text = distinct_text(99)
    copies = [f"{text} {text} copy{number},a" for number in range(10)]
    file = write("all.csv", csv_of(LABELS) + "\n".join(copies) + "\n")
    for seed in range(5):
        corpus = load_corpus(settings(train=file), seed=seed)
        homes = {name for name, rows in rows_of(corpus).items() if any(row >= 30 for row in rows)}
        assert len(homes) == 1


def test_bad_rows_are_counted_and_named(write: Write) -> None:
    bad = csv_of(LABELS) + " ,a\nsome text,\n\u3000,b\n"
    corpus = load_corpus(settings(train=write("all.csv", bad)), seed=1)
    assert corpus.dropped == {"train: empty text": 2, "train: empty label": 1}
    assert "all.csv: 2 rows (30, 32) with an empty text." in corpus.notes
    with pytest.raises(DataError, match=r"2 rows \(30, 32\).*data.bad_rows=drop"):
        load_corpus(settings(train=write("all.csv", bad), bad_rows="refuse"), seed=1)


def test_notes_of_reading_are_notes_of_the_corpus(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*given: Any) -> Rows:
        return replace(read_table(*given), notes=("It is so.",))

    monkeypatch.setattr(sources, "read_table", read)
    corpus = load_corpus(settings(train=write("all.csv", csv_of(LABELS))), seed=1)
    assert corpus.notes == ("It is so.",)


@pytest.mark.parametrize("text", ["\u200b", "\u00ad \u2060", "\x07", "\ufe0f", "\u3164", "\u2800"])
def test_a_text_that_nobody_sees_is_empty(write: Write, text: str) -> None:
    file = write("all.csv", csv_of(LABELS) + f"{text},a\nsome text,{text}\n")
    dropped = load_corpus(settings(train=file), seed=1).dropped
    assert dropped == {"train: empty text": 1, "train: empty label": 1}


def test_a_text_without_a_token_is_empty(write: Write) -> None:
    def count_tokens(texts: Sequence[str]) -> list[int]:
        assert list(texts) == ["\u0301", "!?"]
        return [0, 2]

    file = write("all.csv", csv_of(LABELS) + "\u0301,a\n!?,b\n")
    assert load_corpus(settings(train=file), 1, count_tokens).dropped == {"train: empty text": 1}
    assert load_corpus(settings(train=file), 1).dropped == {}


def test_a_rare_label_stops_the_run_or_is_left_out(write: Write) -> None:
    file = write("all.csv", csv_of([*LABELS, "c", "c"]))
    with pytest.raises(DataError, match=r"'c' \(2\).*data.rare_labels=drop"):
        load_corpus(settings(train=file), seed=1)
    corpus = load_corpus(settings(train=file, rare_labels="drop"), seed=1)
    assert corpus.labels == ("a", "b")
    assert corpus.dropped == {"train: rare label: c": 2}


def test_copies_do_not_make_a_label_less_rare(write: Write) -> None:
    copies = "same old words,c\n" * 5
    with pytest.raises(DataError, match=r"'c' \(1\)"):
        load_corpus(settings(train=write("all.csv", csv_of(LABELS) + copies)), seed=1)


def test_a_form_whose_slot_decides_the_label_is_told_as_the_cause(write: Write) -> None:
    form = f"{distinct_text(0)} {{}} {distinct_text(1)} {distinct_text(2)}"
    parts = ["train"] * 8 + ["val", "val", "test", "test"]
    rows = [f"{form.format(f'slot{n}')},{'ab'[n % 2]},{part}" for n, part in enumerate(parts)]
    file = write("all.csv", "\n".join(["text,label,part", *rows]) + "\n")
    with pytest.raises(DataError, match=r"'a' \(1\), 'b' \(1\).* 11 of the 12 .*near copies"):
        load_corpus(settings(train=file), seed=1)
    with pytest.raises(DataError, match=r"'a' \(1\)") as few:
        load_corpus(settings(train=write("few.csv", csv_of(["a", *"bbbbb"]))), seed=1)
    assert "near copies" not in str(few.value)
    own = load_corpus(settings(train=file, split_column="part"), seed=1)
    assert (len(own.train), len(own.val), len(own.test)) == (8, 2, 2)


def test_dropping_a_rare_label_drops_it_from_given_files_too(write: Write) -> None:
    train, test = write("train.csv", csv_of([*LABELS, "c"])), write("test.csv", csv_of(["c", "a"]))
    corpus = load_corpus(settings(train=train, test=test, rare_labels="drop"), seed=1)
    assert rows_of(corpus)["test"] == [1]
    assert corpus.dropped == {"train: rare label: c": 1, "test: rare label: c": 1}
    assert corpus.notes[0] == (
        "1 documents were left out for a rare label (data.rare_labels=drop): 'c' (1)."
    )
    assert corpus.notes[1].startswith("The given test split lost 1 of 2 documents to labels")


def test_rare_labels_that_are_kept_stay_in_train(write: Write) -> None:
    copy = f"{distinct_text(30)} more,a\n"  # of a document of c: both stay together
    train = write("train.csv", csv_of([*LABELS, "c", "c", "d"]) + copy)
    test = write("test.csv", csv_of(["c", "a"]).replace("alpha", "omega"))
    for given in ({}, {"test": test}, {"fold": 0, "num_folds": 5}):
        corpus = load_corpus(settings(train=train, rare_labels="keep", **given), seed=1)
        assert corpus.labels == ("a", "b", "c", "d")
        rows = rows_of(corpus)
        assert {30, 31, 32, 33} <= set(rows["train"])
        assert corpus.dropped == {}
        assert "4 documents stay in train for a rare label" in corpus.notes[0]
        assert corpus.notes[0].endswith("'c' (2), 'd' (1).")
    given = load_corpus(settings(train=train, test=test, rare_labels="keep"), seed=1)
    assert given.test["label"][:] == ["c", "a"]


def test_a_document_with_two_rare_labels_is_left_out_once(write: Write) -> None:
    train = write("train.csv", csv_of([*LABELS, "c|d", "a|d"]))
    test = write("test.csv", csv_of(["a|c|d", "a", "d"]))
    given = settings(train=train, test=test, rare_labels="drop", label_separator="|")
    corpus = load_corpus(given, seed=1)
    assert corpus.dropped == {
        "train: rare label: c": 1,
        "train: rare label: d": 1,
        "test: rare label: c": 1,
        "test: rare label: d": 1,
    }
    assert sum(map(len, corpus.splits().values())) == len(LABELS) + 1


def test_a_label_that_training_never_saw(write: Write) -> None:
    train, test = write("train.csv", csv_of(LABELS)), write("test.csv", csv_of(["a", "z", "z"]))
    with pytest.raises(DataError, match=r"test split.*never saw: 'z' \(2 rows\)"):
        load_corpus(settings(train=train, test=test), seed=1)
    corpus = load_corpus(settings(train=train, test=test, unseen_labels="drop"), seed=1)
    assert corpus.test["label"][:] == ["a"]
    assert corpus.dropped == {"test: unseen label: z": 2}
    assert "2 rows were left out (data.unseen_labels=drop)" in corpus.notes[0]


def test_a_label_of_only_the_newest_documents_is_told_as_the_cause(write: Write) -> None:
    rows = [f"{distinct_text(n)},{'ab'[n % 2] if n < 60 else 'new'},{n}" for n in range(70)]
    file = write("all.csv", "text,label,when\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"'new' \(10 rows\).*by time.*data\.unseen_labels=drop"):
        load_corpus(settings(train=file, time_column="when"), seed=1)
    dropped = load_corpus(settings(train=file, time_column="when", unseen_labels="drop"), seed=1)
    assert dropped.labels == ("a", "b")
    assert dropped.dropped == {"test: unseen label: new": 10}


def test_a_text_column_named_as_labels_is_not_told(write: Write) -> None:
    texts = [f"SECRET number {n} " + "word " * 60 + "END" for n in range(500)]
    file = write("all.csv", "text,label\n" + "".join(f"{text},a\n" for text in texts))
    other = write("other.csv", "text,label\n" + "".join(f"x{text},a\n" for text in texts))
    for given in ({"train": file}, {"train": file, "val": other, "test": other}):
        with pytest.raises(DataError, match=r"500 labels .* and 490 more") as caught:
            load_corpus(settings(**given, label_column="text"), seed=1)
        assert len(str(caught.value)) < 1200
        assert "END" not in str(caught.value)


def test_one_label_is_not_enough(write: Write) -> None:
    with pytest.raises(DataError, match="only one label, 'a'"):
        load_corpus(settings(train=write("all.csv", csv_of(["a"] * 9))), seed=1)


def test_one_label_is_not_enough_for_lists_either(write: Write) -> None:
    lists = [json.dumps({"text": distinct_text(n), "label": ["a"] * (n % 2)}) for n in range(40)]
    with pytest.raises(DataError, match="only one label, 'a'; two are needed"):
        load_corpus(settings(train=write("all.jsonl", "\n".join(lists))), seed=1)


def test_train_per_label_keeps_val_and_test_whole(write: Write) -> None:
    file = write("all.csv", csv_of(LABELS))
    whole, few = (load_corpus(settings(train=file, train_per_label=n), seed=1) for n in (None, 4))
    assert sorted(few.train["label"][:]) == ["a"] * 4 + ["b"] * 4
    assert rows_of(few)["test"] == rows_of(whole)["test"]
    assert rows_of(few)["val"] == rows_of(whole)["val"]
    left_out = len(whole.train) - len(few.train)
    assert few.dropped == {"train: more than data.train_per_label=4": left_out}


def test_load_labelled_splits_nothing(write: Write) -> None:
    file = write("new.csv", csv_of(["a", "b"]) + ",a\n")
    labelled = load_labelled(file, settings(train="unused.csv"), "single_label")
    assert labelled.rows.dataset["row"][:] == [0, 1]
    assert labelled.account.dropped == {"empty text": 1}
    assert labelled.notes == ("new.csv: 1 row (2) with an empty text.",)


def test_load_labelled_refuses_labels_of_another_task(write: Write) -> None:
    lists = write("new.jsonl", json.dumps({"text": "a text", "label": ["a"]}) + "\n")
    with pytest.raises(DataError, match="has lists of labels, but the model gives one"):
        load_labelled(lists, settings(train="unused.csv"), "single_label")
    with pytest.raises(DataError, match=r"one label a document.*data\.label_separator"):
        load_labelled(write("new.csv", csv_of(["a"])), settings(train="unused.csv"), "multi_label")


def test_an_empty_label_can_mean_no_labels_but_not_where_each_has_one(write: Write) -> None:
    rows = "".join(f"{distinct_text(n)},{'' if n % 3 else 'x;y'}\n" for n in range(30))
    file = write("all.csv", "text,label\n" + rows)
    given = {"train": file, "label_separator": ";", "empty_label": "none"}
    corpus = load_corpus(settings(**given), seed=1)
    assert corpus.dropped == {}
    assert sum(len(split) for split in corpus.splits().values()) == 30
    assert len(load_labelled(file, settings(**given), "multi_label").rows.dataset) == 30
    with pytest.raises(DataError, match=r"data.empty_label=none is for documents that may have"):
        load_corpus(settings(**{**given, "label_separator": None}), seed=1)
