"""A made-up audit in which every check has found something, and texts for its places."""

from typing import Any

from docsort.data.audit import Audit
from docsort.data.copies import Copies, Leaks
from docsort.data.documents import Found
from docsort.data.ledger import Account
from docsort.data.token_lengths import TokenLengths

LENGTHS = TokenLengths(
    documents=200,
    mean=180.0,
    percentiles={"0": 3, "10": 20, "50": 150, "90": 400, "99": 900, "100": 1200},
    several_windows=40,
    read_in_part=6,
    window=256,
    max_windows=4,
    capacity=254,
    limit=920,
    edges=(3.0, 30.0, 300.0, 1201.0),
    counts=(30, 140, 30),
    unknown=0.25,
)


def make_audit(num_labels: int = 3, **fields: Any) -> Audit:
    """Keywords replace fields."""
    counts = [400 // (c + 1) for c in range(num_labels - 1)] + [4]
    labels = [f"label {c}" for c in range(num_labels)]
    near = {"like_split": "train", "like_row": 17, "similarity": 0.81}
    suspect = {"label": ["label 0"], "suggested": ["label 1"]}
    found: dict[str, Any] = {
        "name": "made-up",
        "task": "single_label",
        "sources": {"train:train.csv": "a" * 64, "test:test.csv": "b" * 64},
        "rows_read": {"train:train.csv": sum(counts) + 93, "test:test.csv": 200},
        "ledger": (
            Account(
                source="train:train.csv",
                records=sum(counts) + 95,
                skipped={"blank line": 2},
                rows=sum(counts) + 93,
                dropped={"empty text": 3},
                documents={"train": sum(counts), "val": 90},
            ),
        ),
        "documents": {"train": sum(counts), "val": 90, "test": 200},
        "sampled": 200,
        "dropped": {"train: empty text": 3},
        "notes": ("train.csv: 3 rows (4, 5, 6) with an empty text.",),
        "labels": {
            split: dict(zip(labels, [n // part for n in counts], strict=True))
            for split, part in (("train", 1), ("val", 10), ("test", 4))
        },
        "alike_labels": (("label 0", "label\u00a00"),),
        "missing_labels": ("label 1",),
        "copies": Copies(
            exact={"train": 60, "val": 0, "test": 2},
            near={"train": 9, "val": 1, "test": 3},
            leaks={"test": Leaks((8, 30), 0.01, Found(1, (place("test", 9, **near),)), 60)},
            conflicts=Found(
                2, (place("train", 1, label=["label 0"]), place("test", 2, label=["label 1"]))
            ),
        ),
        "crossing": {"test": (11, 12, 13)},
        "tokens": LENGTHS,
        "wrong_encoding": Found(1, (place("val", 3),)),
        "language": "en",
        "other_language": Found(1, (place("train", 4, language="de"),)),
        "label_errors": Found(12, tuple(place("train", 50 + n, **suspect) for n in range(12))),
        "baseline_accuracy": 0.93,
    }
    return Audit(**(found | fields))


def clean_audit() -> Audit:
    """One in which nothing was found."""
    nothing = Found(0, ())
    none = {"train": 0, "val": 0, "test": 0}
    even = {split: {"a": n, "b": n} for split, n in (("train", 70), ("val", 10), ("test", 20))}
    return make_audit(
        documents={"train": 140, "val": 20, "test": 40},
        dropped={},
        notes=(),
        labels=even,
        alike_labels=(),
        missing_labels=(),
        copies=Copies(none, none, {}, nothing),
        crossing={},
        tokens=None,
        wrong_encoding=nothing,
        other_language=nothing,
        label_errors=nothing,
    )


def place(split: str, row: int, **details: object) -> dict[str, object]:
    return {"split": split, "row": row, **details}


def text_at(split: str, row: int) -> str:
    return f"the text of {split} row {row}"
