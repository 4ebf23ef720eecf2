"""An audit as a short table on the terminal. Computes nothing."""

from rich.console import Console
from rich.table import Table

from docsort.data.audit import Audit
from docsort.report.audit_lines import audit_lines


def print_audit(audit: Audit, console: Console | None = None) -> None:
    """One line a check: what, how many, and where or what to do. Then one line a source."""
    table = Table("looked for", "found", "where, or what it means", title=_title(audit))
    for what, found, meaning in audit_lines(audit):
        table.add_row(what, found, meaning)
    (console or Console()).print(table, markup=False)
    for account in audit.ledger:
        (console or Console()).print(account.line(), markup=False, soft_wrap=True)
    for note in audit.notes:
        (console or Console()).print(note, markup=False)


def _title(audit: Audit) -> str:
    told = f"{audit.name}: {audit.num_documents:,} documents"
    if audit.sampled < audit.num_documents:
        told += f"; near-duplicates, lengths, texts and labels on a sample of {audit.sampled:,}"
    return told
