"""The audit's page: every finding with its pictures and excerpts, untrusted text kept as text."""

import re
from dataclasses import replace

import pytest

from docsort.data.copies import Leaks
from docsort.data.documents import Found
from docsort.report.audit_hints import audit_hints
from docsort.report.audit_page import render_audit, write_audit_page
from tests.report.audits import clean_audit, make_audit, place, text_at
from tests.report.test_page import EVIL, Outline

SECTIONS = {
    "hints",
    "labels",
    "lengths",
    "copies",
    "label-errors",
    "odd-texts",
    "all",
    "ledger",
    "provenance",
}


def test_all_sections_and_charts_are_there():
    page = render_audit(make_audit(), text_at)
    assert set(re.findall(r'<section id="([^"]+)"', page)) == SECTIONS
    assert re.findall(r'data-chart="([^"]+)"', page) == ["label-counts", "token-lengths"]


def test_every_finding_is_shown_with_its_text():
    text = Outline(render_audit(make_audit(), text_at)).text
    for split, row in (
        *(("test", row) for row in (8, 30, 9, 2)),
        *(("train", row) for row in (17, 1, 4, 50, 59)),
        ("val", 3),
    ):
        assert f"the text of {split} row {row}" in text
    assert "the text of train row 60" not in text  # the eleventh suspect
    assert "labelledmore likedocuments label 0label 112" in " ".join(text.split())
    assert "10 of 12 are shown" in text
    assert "81% alike" in text
    assert "read only in part" in text
    assert "3 rows (4, 5, 6) with an empty text" in text
    assert "a" * 64 in text


def test_a_clean_corpus_says_so():
    page = render_audit(clean_audit(), text_at)
    text = " ".join(Outline(page).text.split())
    assert "Nothing stands out." in text
    assert "by construction" in text
    assert "the text of" not in text
    assert re.findall(r'data-chart="([^"]+)"', page) == ["label-counts"]


def test_a_sample_is_stated():
    text = " ".join(Outline(render_audit(make_audit(), text_at)).text.split())
    assert "looked at on a sample of 200" in text
    whole = make_audit()
    whole = make_audit(sampled=whole.num_documents)
    assert "sample" not in Outline(render_audit(whole, text_at)).text


def test_untrusted_text_stays_text():
    suspects = Found(1, (place("train", 1, label=[EVIL], suggested=[EVIL]),))
    labels = {split: {EVIL: 5, "other": 9} for split in ("train", "val", "test")}
    audit = make_audit(name=EVIL, labels=labels, label_errors=suspects, dropped={EVIL: 1})
    outline = Outline(render_audit(audit, lambda split, row: EVIL))
    assert outline.tags.count("script") == outline.tags.count("img") == 0
    assert outline.having("onerror") == outline.having("src") == []
    assert outline.text.count("<script>") > 5


def test_several_labels_a_document():
    suspects = Found(1, (place("train", 1, label=["label 0", "label 2"], suggested=[]),))
    audit = make_audit(task="multi_label", label_errors=suspects)
    text = " ".join(Outline(render_audit(audit, text_at)).text.split())
    assert "labelled label 0, label 2" in text
    assert "more like no label" in text
    assert "exactly right on 93%" in text


def test_the_same_audit_gives_the_same_bytes(tmp_path):
    for name in ("once", "again"):
        write_audit_page(tmp_path / name, make_audit(), text_at)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize(
    "said",
    [
        "2 of 200 test documents stand in train or val too: figures on them flatter",
        "2 documents share their text",
        "60 of 604 training documents are exact copies",
        "3 rows were left out",
        "1 labels have fewer than 20 training documents: 'label 2' (4)",
        "The commonest label has 100 times",
        "6 of 200 documents are longer than 4 windows",
        "12 labels look wrong",
        "1 texts look like a wrong encoding, 1 like another language",
    ],
)
def test_each_finding_has_its_hint(said):
    assert any(said in hint.seen for hint in audit_hints(make_audit()))
    assert not audit_hints(clean_audit())


def test_copies_in_a_given_val_have_a_hint_of_their_own():
    copies = make_audit().copies
    leaks = {"val": Leaks((3, 4, 7), 0.03, Found(0, ()), 90)}
    hint = audit_hints(make_audit(copies=replace(copies, leaks=leaks)))[0]
    assert hint.seen.startswith("3 of 90 val documents stand in train too: val/… figures flatter")
    assert "checkpoint" in hint.seen
    assert "sweep" in hint.seen
    assert "data.max_leak_share" not in hint.try_next


def test_the_hinted_window_limit_reads_the_longest_whole():
    """254 tokens in the first window, (920 - 254) / 3 = 222 more in each further one."""
    hint = next(h for h in audit_hints(make_audit()) if "windows" in h.seen)
    assert "model.max_windows=6" in hint.try_next
    assert 254 + 4 * 222 < 1200 <= 254 + 5 * 222


def test_suspicions_of_a_weak_model_are_no_hint():
    hints = audit_hints(make_audit(baseline_accuracy=0.5))
    assert not any("look wrong" in hint.seen for hint in hints)


def test_what_could_not_be_suspected_has_no_figure() -> None:
    text = Outline(render_audit(make_audit(baseline_accuracy=None), text_at)).text
    assert "none could be suspected" in text
    assert "A linear model gives each document" not in text
