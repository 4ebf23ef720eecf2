"""What in an audit to see to before training, each hint from something that was counted."""

from collections.abc import Callable

import numpy as np

from docsort.data.audit import Audit
from docsort.data.naming import MOST, counted_names, named
from docsort.report.advice import Advice
from docsort.report.audit_lines import MUCH_UNKNOWN, alike_told

FEW_DOCUMENTS = 20
MUCH_RARER = 20
MANY_COPIES = 0.05


def audit_hints(audit: Audit) -> tuple[Advice, ...]:
    """Hints, those that make figures wrong first; empty when nothing stands out."""
    rules: tuple[Callable[[Audit], Advice | None], ...] = (
        _leaks,
        _leaks_of_val,
        _crossing_groups,
        _conflicts,
        _copies,
        _rows_left_out,
        _alike_labels,
        _missing_labels,
        _few_documents,
        _imbalance,
        _read_in_part,
        _unknown_tokens,
        _label_errors,
        _odd_texts,
    )
    return tuple(hint for rule in rules if (hint := rule(audit)) is not None)


def _leaks(audit: Audit) -> Advice | None:
    count = len(audit.leaked_rows("test"))
    if not count:
        return None
    return Advice(
        f"{count:,} of {audit.documents['test']:,} test documents stand in train or val too: "
        "figures on them flatter.",
        "Take them out of one side. Training reports test metrics with and without them, and stops "
        "above data.max_leak_share.",
    )


def _leaks_of_val(audit: Audit) -> Advice | None:
    count = len(audit.leaked_rows("val"))
    if not count:
        return None
    return Advice(
        f"{count:,} of {audit.documents['val']:,} val documents stand in train too: val/… figures "
        "flatter, and by them the checkpoint is chosen, probabilities are calibrated and a sweep "
        "compares its runs.",
        "Take them out of one side: training keeps them, and does not stop for them. Or leave "
        "data.val out, to have val split off from train without copies.",
    )


def _crossing_groups(audit: Audit) -> Advice | None:
    counts = {name: len(rows) for name, rows in audit.crossing.items() if rows}
    if not counts:
        return None
    told = ", ".join(f"{n:,} of {audit.documents[name]:,} {name}" for name, n in counts.items())
    return Advice(
        f"{told} documents have a group (data.group_column) that an earlier split has too: figures "
        "on them flatter.",
        "Keep each group on one side, or leave the given split out to have one made that divides "
        "no group. Training stops for test documents above data.max_leak_share.",
    )


def _conflicts(audit: Audit) -> Advice | None:
    count = audit.copies.conflicts.count
    if not count:
        return None
    return Advice(
        f"{count:,} documents share their text with another one that has a different label.",
        "Decide which label is right, or allow several labels a document (data.label_separator).",
    )


def _copies(audit: Audit) -> Advice | None:
    count, documents = audit.copies.exact["train"], audit.documents["train"]
    if count < MANY_COPIES * documents:
        return None
    return Advice(
        f"{count:,} of {documents:,} training documents are exact copies of others there.",
        "Leave them out: they cost time, and count their labels several times.",
    )


def _rows_left_out(audit: Audit) -> Advice | None:
    # what data.train_per_label leaves out is meant to be
    bad = {why: count for why, count in audit.dropped.items() if "data.train_per_label" not in why}
    if not bad:
        return None
    return Advice(
        f"{sum(bad.values()):,} rows were left out: {counted_names(bad)}.",
        "Mend the file if they should count; data.bad_rows=refuse and data.rare_labels=refuse stop "
        "there.",
    )


def _alike_labels(audit: Audit) -> Advice | None:
    if not audit.alike_labels:
        return None
    told = "; ".join(alike_told(names) for names in audit.alike_labels[:MOST])
    return Advice(
        f"{sum(map(len, audit.alike_labels))} labels differ from another one only in case, white "
        f"space, invisible characters or Unicode form: {told}.",
        "Give those that mean one label one spelling: each is a class of its own now.",
    )


def _missing_labels(audit: Audit) -> Advice | None:
    if not audit.missing_labels:
        return None
    return Advice(
        f"{len(audit.missing_labels)} labels may stand for a missing one: "
        f"{named(audit.missing_labels)}.",
        "Where they do, leave the cell empty or the row out: each is a class of its own now.",
    )


def _few_documents(audit: Audit) -> Advice | None:
    few = {label: n for label, n in audit.labels["train"].items() if n < FEW_DOCUMENTS}
    if not few:
        return None
    rarest = dict(sorted(few.items(), key=lambda pair: pair[1]))
    return Advice(
        f"{len(few)} labels have fewer than {FEW_DOCUMENTS} training documents: "
        f"{counted_names(rarest, most=5)}.",
        "Label more of them, or merge labels; with so few, figures for each say little.",
    )


def _imbalance(audit: Audit) -> Advice | None:
    counts = list(audit.labels["train"].values())
    ratio = max(counts) / max(1, min(counts))
    if ratio < MUCH_RARER:
        return None
    return Advice(
        f"The commonest label has {ratio:,.0f} times as many training documents as the rarest.",
        "Judge by macro F1, where all labels count the same; model.class_weights=balanced makes "
        "them count the same in training.",
    )


def _read_in_part(audit: Audit) -> Advice | None:
    tokens = audit.tokens
    if tokens is None or not tokens.read_in_part:
        return None
    longest = tokens.percentiles["100"]
    step = (tokens.limit - tokens.capacity) // max(1, tokens.max_windows - 1) or tokens.capacity
    needed = 1 + int(np.ceil((longest - tokens.capacity) / step))
    return Advice(
        f"{tokens.read_in_part:,} of {tokens.documents:,} documents are longer than "
        f"{tokens.max_windows} windows and would be read only in part.",
        f"To read the longest ({longest:,} tokens) whole: model.max_windows={needed}.",
    )


def _unknown_tokens(audit: Audit) -> Advice | None:
    if audit.tokens is None or audit.tokens.unknown < MUCH_UNKNOWN:
        return None
    return Advice(
        f"{audit.tokens.unknown:.0%} of the tokens are unknown to the encoder: it cannot read the "
        "script of these documents.",
        "Name an encoder that was pretrained on their language: model.pretrained=FOLDER.",
    )


def _label_errors(audit: Audit) -> Advice | None:
    if not audit.label_errors.count or not audit.suspicions_weigh:
        return None
    return Advice(
        f"{audit.label_errors.count:,} labels look wrong to a linear model that never saw them.",
        "Read the likeliest ones below, and mend what is wrong.",
    )


def _odd_texts(audit: Audit) -> Advice | None:
    garbled, foreign = audit.wrong_encoding.count, audit.other_language.count
    if not garbled and not foreign:
        return None
    return Advice(
        f"{garbled:,} texts look like a wrong encoding, {foreign:,} like another language.",
        "Read the file in the encoding it was written in; for other languages choose a model that "
        "knows them.",
    )
