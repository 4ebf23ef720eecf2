"""An audit as short lines, for terminal and page. Computes nothing that the audit doesn't hold."""

from collections.abc import Iterator

from docsort.data.audit import Audit
from docsort.data.documents import Found
from docsort.data.naming import CHARACTERS, MOST, counted_names, named, shortened

Line = tuple[str, str, str]
MAX_ROWS = 5
MUCH_UNKNOWN = 0.1


def audit_lines(audit: Audit) -> list[Line]:
    """(check, count, and where or what it means)."""
    return [
        *_row_lines(audit),
        *_label_lines(audit),
        *_copy_lines(audit),
        *_length_lines(audit),
        ("looks like a wrong encoding", *_found(audit.wrong_encoding)),
        (f"another language than {audit.language or 'any'}", *_found(audit.other_language)),
        ("suspected label errors", f"{audit.label_errors.count}", _suspicion(audit)),
    ]


def _row_lines(audit: Audit) -> Iterator[Line]:
    yield "rows read", f"{sum(audit.rows_read.values()):,}", counted_names(audit.rows_read)
    sizes = ", ".join(f"{name} {count:,}" for name, count in audit.documents.items())
    yield "documents", f"{audit.num_documents:,}", sizes
    # A reason may hold a label, and there may be thousands of rare ones.
    dropped = counted_names(audit.dropped)
    yield "rows left out", f"{sum(audit.dropped.values())}", dropped


def _label_lines(audit: Audit) -> Iterator[Line]:
    totals = {
        label: sum(counts[label] for counts in audit.labels.values())
        for label in audit.labels["train"]
    }
    rarest, commonest = min(totals, key=totals.__getitem__), max(totals, key=totals.__getitem__)
    yield (
        "labels",
        f"{len(totals)}",
        f"commonest {shortened(commonest)} ({totals[commonest]:,}), "
        f"rarest {shortened(rarest)} ({totals[rarest]:,})",
    )
    alike = ", ".join(alike_told(names) for names in audit.alike_labels[:MAX_ROWS])
    yield (
        "labels that look alike",
        f"{sum(map(len, audit.alike_labels))}",
        f"{alike}: merge those that mean one label" if alike else "",
    )
    missing = audit.missing_labels
    yield "labels that may mean a missing one", f"{len(missing)}", named(missing)


def alike_told(names: tuple[str, ...]) -> str:
    """Labels that look alike, in ASCII: else nobody could tell them apart."""
    more = " = …" if len(names) > MOST else ""
    return " = ".join(ascii(name[:CHARACTERS]) for name in names[:MOST]) + more


def _copy_lines(audit: Audit) -> Iterator[Line]:
    copies = audit.copies
    for what, counts in (("exact copies", copies.exact), ("near-duplicates", copies.near)):
        inside = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        yield f"{what} inside a split", f"{sum(counts.values())}", inside
    for name, leaks in copies.leaks.items():
        what = f"{name} documents that stand in earlier splits"
        yield what, *_rows(audit, name, leaks.exact_rows)
        yield f"{name} documents nearly in earlier splits", *_found(leaks.near)
    for name, rows in audit.crossing.items():
        what = f"{name} documents whose group is in an earlier split"
        yield what, *_rows(audit, name, rows)
    yield "one text, different labels", *_found(copies.conflicts)


def _rows(audit: Audit, split: str, rows: tuple[int, ...]) -> tuple[str, str]:
    if not rows:
        return "0", ""
    share = len(rows) / audit.documents[split]
    named = ", ".join(map(str, rows[:MAX_ROWS])) + (", …" if len(rows) > MAX_ROWS else "")
    return f"{len(rows)}", f"{share:.2%} of {split}: rows {named}"


def _length_lines(audit: Audit) -> Iterator[Line]:
    tokens = audit.tokens
    if tokens is None:
        return
    middle, last = tokens.percentiles["50"], tokens.percentiles["100"]
    yield (
        f"longer than a window of {tokens.window} tokens",
        f"{tokens.several_windows}",
        f"of {tokens.documents:,}; median {middle}, longest {last:,} tokens",
    )
    yield (
        f"read only in part (over {tokens.max_windows} windows)",
        f"{tokens.read_in_part}",
        "raise model.max_windows or model.window to read them whole" if tokens.read_in_part else "",
    )
    unreadable = tokens.unknown >= MUCH_UNKNOWN
    yield (
        "tokens that the encoder does not know",
        f"{tokens.unknown:.1%}",
        "it cannot read this script: choose another model" if unreadable else "",
    )


def _suspicion(audit: Audit) -> str:
    if audit.baseline_accuracy is None:
        return "not looked for: all are labelled alike, or no label has two different texts"
    if audit.label_errors.count == 0:
        return ""
    worth = "likeliest first" if audit.suspicions_weigh else "most will be right"
    right = "exactly right" if audit.task == "multi_label" else "right"
    return (
        f"{worth}: {_places(audit.label_errors)}; suspected by a linear model that is {right} on "
        f"{audit.baseline_accuracy:.0%} of the documents it has not seen"
    )


def _found(found: Found) -> tuple[str, str]:
    return f"{found.count}", _places(found)


def _places(found: Found) -> str:
    named = ", ".join(f"{place['split']} {place['row']}" for place in found.places[:MAX_ROWS])
    return named + (", …" if found.count > MAX_ROWS else "")
