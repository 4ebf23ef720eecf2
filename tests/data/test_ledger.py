"""Accounts of records add up, whatever a table holds and whichever rules drop rows."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from docsort.core.errors import DataError
from docsort.data.ledger import Account
from docsort.data.load import load_corpus, load_labelled
from docsort.data.settings import DataSettings
from tests.data.conftest import distinct_text

SOUND = [(distinct_text(n), "ab"[n % 2]) for n in range(30)]
ODD = st.lists(
    st.tuples(
        st.sampled_from([*(distinct_text(n) for n in (0, 1, 40, 41, 42)), "", " ", "\u200b"]),
        st.sampled_from(["a", "b", "rare", "seldom", "", "  "]),
    ),
    max_size=12,
)
SOME = hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def settings(**given: Any) -> DataSettings:
    return DataSettings(**{"source": "table", "name": "docs", **given})


def write_rows(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...]) -> str:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return str(path)


@SOME
@given(
    odd=ODD,
    test=st.none() | ODD,
    rare_labels=st.sampled_from(["drop", "keep"]),
    train_per_label=st.none() | st.integers(1, 8),
    seed=st.integers(0, 3),
)
def test_every_row_is_a_document_or_dropped_by_a_rule(
    tmp_path: Path,
    odd: list[tuple[str, ...]],
    test: list[tuple[str, ...]] | None,
    rare_labels: str,
    train_per_label: int | None,
    seed: int,
) -> None:
    rows: dict[str, list[tuple[str, ...]]] = {"train": [*odd, *SOUND]}
    if test is not None:
        rows["test"] = [*SOUND[:4], *test]
    header = ("text", "label")
    files = {name: write_rows(tmp_path / f"{name}.csv", rows[name], header) for name in rows}
    chosen = settings(
        **files,
        rare_labels=rare_labels,
        train_per_label=train_per_label,
        unseen_labels="drop",
    )
    corpus = load_corpus(chosen, seed)
    assert [account.source for account in corpus.ledger] == [f"{n}:{n}.csv" for n in rows]
    for account, own in zip(corpus.ledger, rows.values(), strict=True):
        assert account.records == account.rows == len(own)
        empty = [text.strip(" \u200b") == "" for text, _ in own]
        blank = [bool(text.strip(" \u200b")) and not label.strip() for text, label in own]
        assert account.dropped.get("empty text", 0) == sum(empty)
        assert account.dropped.get("empty label", 0) == sum(blank)
    documents = [account.documents for account in corpus.ledger]
    together = {name: n for of_source in documents for name, n in of_source.items()}
    assert together == {name: len(split) for name, split in corpus.splits().items()}


@SOME
@given(odd=ODD, parts=st.lists(st.sampled_from(["train", "val", "test"]), min_size=42, max_size=42))
def test_rows_of_one_file_with_a_split_column_add_up(
    tmp_path: Path, odd: list[tuple[str, str]], parts: list[str]
) -> None:
    rows = [(*row, part) for row, part in zip([*odd, *SOUND], parts, strict=False)]
    file = write_rows(tmp_path / "all.csv", rows, ("text", "label", "part"))
    try:
        corpus = load_corpus(
            settings(train=file, split_column="part", rare_labels="drop", unseen_labels="drop"),
            seed=1,
        )
    except DataError:
        assume(False)
    [account] = corpus.ledger
    assert account.records == len(rows)
    assert account.documents == {name: len(split) for name, split in corpus.splits().items()}


def test_records_that_are_no_rows_are_in_the_account_and_its_line(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in SOUND]
    file = tmp_path / "all.jsonl"
    file.write_text("\n\n".join([*lines, '{"text": " ", "label": "a"}']), encoding="utf-8")
    [account] = load_corpus(settings(train=str(file)), seed=1).ledger
    assert (account.records, account.rows) == (61, 31)
    assert account.line() == (
        "train:all.jsonl: 61 records, 30 no rows (blank line 30), 1 left out (empty text 1), "
        "30 documents (train 20, val 4, test 6)"
    )
    labelled = load_labelled(str(file), settings(train=str(file)), "single_label")
    assert labelled.account.documents == {"evaluated": 30}
    assert labelled.account.records == 61


@pytest.mark.parametrize(
    "wrong", [{"records": 9}, {"rows": 8}, {"dropped": {}}, {"documents": {"train": 7}}]
)
def test_an_account_that_does_not_add_up_is_a_bug(wrong: dict[str, Any]) -> None:
    sound: dict[str, Any] = {
        "source": "train:t.csv",
        "records": 10,
        "skipped": {"blank line": 1},
        "rows": 9,
        "dropped": {"empty text": 1},
        "documents": {"train": 6, "test": 2},
    }
    Account(**sound)
    with pytest.raises(ValueError, match=r"train:t\.csv: .* a bug of docsort"):
        Account(**{**sound, **wrong})
