"""What an audit finds in corpora whose faults are known, and how it is told."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from docsort.commands.audit_table import print_audit
from docsort.core.errors import DataError
from docsort.core.windows import WindowPlan
from docsort.data import documents, words
from docsort.data.audit import Audit, audit, refuse_leaks
from docsort.data.corpus import Corpus
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from docsort.data.token_lengths import Reading
from docsort.report.audit_lines import audit_lines
from tests.data.conftest import csv_of, distinct_text

Write = Callable[[str, str | bytes], str]
LABELS = ["a", "b"] * 20


def corpus_of(**given: Any) -> Corpus:
    return load_corpus(DataSettings(source="table", name="docs", **given), seed=1)


def numbered(start: int, labels: list[str]) -> str:
    """Like csv_of, without the header and with other texts."""
    return "".join(f"{distinct_text(start + n)},{label}\n" for n, label in enumerate(labels))


@pytest.fixture
def leaky(write: Write) -> Corpus:
    """Test rows 1 (exact, folded) and 2 (near) stand in train as rows 3 and 4."""
    test = numbered(100, ["a"])
    test += f"  {distinct_text(3).upper()},b\n"
    test += f"{distinct_text(4)} more,a\n"
    test += numbered(200, ["b", "a"])
    train = write("train.csv", csv_of(LABELS))
    return corpus_of(train=train, test=write("test.csv", "text,label\n" + test))


def test_leaks_of_a_given_split(leaky: Corpus) -> None:
    found = audit(leaky, max_rows=1000)
    leaks = found.copies.leaks["test"]
    assert leaks.exact_rows == found.leaked_rows() == (1,)
    assert leaks.share == pytest.approx(0.2)
    assert leaks.near.count == 1
    place = leaks.near.places[0]
    assert (place["split"], place["row"], place["like_row"]) == ("test", 2, 4)
    assert found.leaked_rows("val") == ()


@pytest.mark.parametrize(("num", "accepted", "refused"), [(1, 0.001, 0.0), (8, 0.071, 0.07)])
def test_too_many_leaks_stop_the_run(
    write: Write, num: int, accepted: float, refused: float
) -> None:
    """A share is rounded up to whole documents: one copy alone is over 1 % of a small file."""
    train = write("train.csv", csv_of(LABELS))
    own = numbered(100, ["a", "b"] * 50).splitlines()[num:]
    copies = numbered(0, ["a", "b"] * 4).splitlines()[:num]
    test = write("test.csv", "\n".join(["text,label", *copies, *own]))
    found = audit(corpus_of(train=train, test=test), 1000)
    refuse_leaks(found, accepted)
    with pytest.raises(DataError, match=rf"{num} of 100 test documents .*rows 0.*={refused} "):
        refuse_leaks(found, refused)


def test_groups_that_cross_a_given_test_stop_the_run(write: Write) -> None:
    grouped = [f"{row},{'xyz'[n % 3]}" for n, row in enumerate(csv_of(LABELS).splitlines()[1:])]
    train = write("train.csv", "\n".join(["text,label,author", *grouped]))
    rows = numbered(100, ["a", "b"] * 2).splitlines()
    own = [f"{row},{author}" for row, author in zip(rows, ["x", "w", "", "z "], strict=True)]
    test = write("test.csv", "\n".join(["text,label,author", *own]))
    found = audit(corpus_of(train=train, test=test, group_column="author"), 1000)
    assert (found.leaked_rows(), found.dependent_rows()) == ((), (0, 3))
    assert json.loads(found.to_json())["crossing"] == {"test": [0, 3]}
    lines = {what: (count, where) for what, count, where in audit_lines(found)}
    told = lines["test documents whose group is in an earlier split"]
    assert told == ("2", "50.00% of test: rows 0, 3")
    refuse_leaks(found, 0.5)
    with pytest.raises(DataError, match=r"2 of 4 test documents .*data\.group_column.*rows 0, 3"):
        refuse_leaks(found, 0.01)


def test_labels_that_look_alike_are_told_in_ascii(write: Write) -> None:
    labels = ["café", "cafe\u0301", "nan"] * 10
    found = audit(corpus_of(train=write("t.csv", csv_of(labels))), 1000)
    lines = {what: (count, where) for what, count, where in audit_lines(found)}
    alike = lines["labels that look alike"]
    assert alike == ("2", r"'cafe\u0301' = 'caf\xe9': merge those that mean one label")
    assert lines["labels that may mean a missing one"] == ("1", "'nan'")


def test_our_own_splits_have_no_leaks_to_look_for(write: Write) -> None:
    found = audit(corpus_of(train=write("t.csv", csv_of(LABELS))), max_rows=1000)
    assert found.copies.leaks == {}
    refuse_leaks(found, 0.0)


def test_copies_and_conflicts(write: Write) -> None:
    text = distinct_text(500)
    rows = f"{text},a\n{text},a\n {text}  ,b\n{text} more,a\n"
    test = write("test.csv", "text,label\n" + numbered(900, ["a", "b"]) + rows)
    train, val = write("train.csv", csv_of(LABELS)), write("val.csv", csv_of(LABELS[:3]))
    copies = audit(corpus_of(train=train, val=val, test=test), max_rows=1000).copies
    assert copies.exact == {"train": 0, "val": 0, "test": 2}
    assert copies.near == {"train": 0, "val": 0, "test": 3}
    assert copies.leaks["val"].exact_rows == (0, 1, 2)
    assert copies.conflicts.count == 3
    assert [place["row"] for place in copies.conflicts.places] == [2, 3, 4]


def test_lengths_against_windows(write: Write) -> None:
    lengths = {"one two": 2, "ten": 10, "eleven": 11, "nineteen": 19, "twenty": 20}
    plan = WindowPlan(window=12, overlap=1, max_windows=2, prefix=(1,), suffix=(2,))
    file = write("t.csv", csv_of(LABELS))
    reading = Reading(
        lambda texts: [[7] + [3] * (list(lengths.values())[n % 5] - 1) for n in range(len(texts))],
        unknown_id=7,
        plan=plan,
    )
    tokens = audit(corpus_of(train=file), 1000, reading).tokens
    assert tokens is not None
    assert (tokens.documents, tokens.several_windows, tokens.read_in_part) == (40, 24, 8)
    assert tokens.percentiles["100"] == 20
    assert tokens.unknown == pytest.approx(5 / 62, abs=1e-4)
    assert sum(tokens.counts) == 40
    assert len(tokens.edges) == len(tokens.counts) + 1


GERMAN = (
    "Der Regen fällt seit gestern auf die Stadt und niemand geht ohne einen Schirm aus dem Haus"
)


def test_odd_texts(write: Write) -> None:
    english = [
        f"The weather report number {n} says that it will be raining in the north of the country "
        f"tomorrow and that the {word} should stay at home with their families"
        for n, word in enumerate(["farmers", "doctors", "sailors", "teachers"] * 10)
    ]
    odd = [GERMAN, "The cafÃ© near the harbour isnâ€™t open", "broken \ufffd letter", "nul\x01byte"]
    rows = [f"{text},{'ab'[n % 2]}" for n, text in enumerate([*english, *odd])]
    file = write("t.csv", "text,label\n" + "\n".join(rows) + "\n")
    found = audit(corpus_of(train=file, val=file, test=file), max_rows=1000)
    assert found.language == "en"
    places = [place for place in found.other_language.places if place["split"] == "test"]
    assert places == [{"split": "test", "row": 40, "language": "de"}]
    garbled = [place["row"] for place in found.wrong_encoding.places if place["split"] == "test"]
    assert garbled == [41, 42, 43]


def two_topics(write: Write, wrong: set[int]) -> str:
    rng = random.Random(0)
    topics = {"sea": ["ship", "wave", "sail", "harbour"], "farm": ["cow", "field", "barn", "corn"]}
    other = {"sea": "farm", "farm": "sea"}
    rows = []
    for n in range(200):
        topic = "sea" if n % 2 else "farm"
        words = rng.choices(topics[topic], k=6) + [f"w{rng.randrange(10_000)}" for _ in range(6)]
        rows.append(f"{' '.join(words)},{other[topic] if n in wrong else topic}")
    return write("t.csv", "text,label\n" + "\n".join(rows) + "\n")


def test_wrong_labels_are_suspected(write: Write) -> None:
    wrong = {10, 55, 120}
    found = audit(corpus_of(train=two_topics(write, wrong)), max_rows=1000)
    assert {place["row"] for place in found.label_errors.places} == wrong
    assert found.label_errors.count == 3
    assert found.baseline_accuracy == pytest.approx(0.985)
    by_row = {place["row"]: place for place in found.label_errors.places}
    assert (by_row[55]["label"], by_row[55]["suggested"]) == (["farm"], ["sea"])


def test_wrong_labels_among_several(write: Write) -> None:
    rows = []
    rng = random.Random(0)
    for n in range(240):
        labels = [["sea"], ["farm"], ["farm", "sea"]][n % 3]
        words = {"sea": ["ship", "wave", "sail"], "farm": ["cow", "barn", "corn"]}
        text = " ".join([*(w for name in labels for w in words[name]), f"w{rng.random()}", f"v{n}"])
        rows.append(f"{text},{'|'.join(['sea'] if n == 7 else labels)}")
    file = write("t.csv", "text,label\n" + "\n".join(rows) + "\n")
    found = audit(corpus_of(train=file, label_separator="|"), max_rows=1000)
    assert 7 in [place["row"] for place in found.label_errors.places][:2]


def test_a_label_on_every_document_is_no_suspect(write: Write) -> None:
    rows = [f"{distinct_text(n)},{'all|some' if n % 3 else 'all'}" for n in range(60)]
    file = write("t.csv", "text,label\n" + "\n".join(rows) + "\n")
    found = audit(corpus_of(train=file, label_separator="|"), max_rows=1000)
    assert all("all" in place["suggested"] for place in found.label_errors.places)


@pytest.mark.parametrize(
    ("labels", "separator"), [(["a"] * 300 + ["b"] * 6, None), (["|"] * 300 + ["a|b"] * 6, "|")]
)
def test_a_sample_labelled_alike_has_no_suspects(
    write: Write, labels: list[str], separator: str | None
) -> None:
    train = write("t.csv", csv_of(labels))
    found = audit(corpus_of(train=train, label_separator=separator), max_rows=10)
    assert (found.label_errors.count, found.sampled) == (0, 10)
    assert found.baseline_accuracy is None  # nothing was measured


def test_one_text_for_each_label_leaves_nothing_to_suspect_by(write: Write) -> None:
    file = write("t.csv", csv_of(["a", "b"]))
    found = audit(corpus_of(train=file, val=file, test=file), max_rows=1000)
    assert (found.label_errors.count, found.baseline_accuracy) == (0, None)


def test_a_sample_is_stated_and_places_are_capped(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "MAX_NAMED", 2)
    train = write("train.csv", csv_of(LABELS))
    test = write("test.csv", csv_of(LABELS))
    found = audit(corpus_of(train=train, test=test), max_rows=30)
    assert (found.sampled, found.num_documents) == (30, 80)
    assert (
        len(found.copies.leaks["test"].exact_rows) == 40
    )  # exact copies are looked for everywhere
    print_audit(found, console := Console(file=io.StringIO(), width=200))
    assert "on a sample of 30" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_sample_is_bounded_by_its_words(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    train = write("train.csv", csv_of(LABELS))
    most = words.estimated_words(corpus_of(train=train).train) // 2
    monkeypatch.setattr(words, "MAX_NEAR_DUPLICATE_WORDS", most)
    found = audit(corpus_of(train=train, test=train), max_rows=1000)
    assert found.num_documents == 80
    assert 10 < found.sampled < 30


def test_what_is_written_and_printed_has_no_text(leaky: Corpus, tmp_path: Path) -> None:
    found = audit(leaky, max_rows=1000)
    found.write(tmp_path / "audit.json")
    written = (tmp_path / "audit.json").read_text(encoding="utf-8")
    assert json.loads(written)["copies"]["leaks"]["test"]["exact_rows"] == [1]
    print_audit(found, console := Console(file=io.StringIO(), width=200))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "test documents that stand in earlier splits" in printed
    assert "alpha" not in written + printed


def test_every_number_is_shown(leaky: Corpus) -> None:
    found: Audit = audit(leaky, max_rows=1000)
    told = {what: (count, meaning) for what, count, meaning in audit_lines(found)}
    assert told["rows read"] == ("45", "'train:train.csv' (40), 'test:test.csv' (5)")
    assert told["documents"] == ("45", "train 36, val 4, test 5")
    assert told["test documents that stand in earlier splits"] == ("1", "20.00% of test: rows 1")
    assert told["test documents nearly in earlier splits"] == ("1", "test 2")
    assert told["labels"][1] == "commonest 'a' (23), rarest 'b' (22)"


def test_rare_labels_left_out_are_shown_within_bounds(write: Write) -> None:
    rare = numbered(500, [f"{n:03} " + "word " * 60 + "END" for n in range(50)])
    train = write("train.csv", csv_of(LABELS) + rare)
    found = audit(corpus_of(train=train, rare_labels="drop"), max_rows=1000)
    told = {what: (count, meaning) for what, count, meaning in audit_lines(found)}
    count, meaning = told["rows left out"]
    assert count == "50"
    assert meaning.endswith(" and 40 more")
    assert "END" not in meaning
