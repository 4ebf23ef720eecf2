"""What clients notice when another version of a model answers: its task and its labels."""

from collections.abc import Iterable

from docsort.core.errors import ServingError
from docsort.serving.mar import ArchiveInfo

_SHOWN_LABELS = 5


def check_task(default: ArchiveInfo, other: ArchiveInfo) -> None:
    """Raise ServingError where another version answers with other fields than the default."""
    if default.task != other.task:
        raise ServingError(
            f"{other.name} {other.version} is a model of the task {other.task}, and the default "
            f"{default.version} of {default.task}: clients would get other fields in their "
            "answers. Give --force if they expect that"
        )


def differences(default: ArchiveInfo, other: ArchiveInfo) -> str:
    """Sentences on how another version's answers differ from the default's; empty if they do not.

    The same labels in another order are no difference: answers name their labels.
    """
    said = []
    if default.task != other.task:
        said.append(f"Its task is {other.task}, and that of {default.version} is {default.task}.")
    if new := set(other.labels) - set(default.labels):
        said.append(f"Labels that {default.version} does not have: {_listed(new)}.")
    if gone := set(default.labels) - set(other.labels):
        said.append(f"Labels that only {default.version} has: {_listed(gone)}.")
    return "".join(f" {sentence}" for sentence in said)


def _listed(labels: Iterable[str]) -> str:
    names = [ascii(label) for label in sorted(labels)]
    more = len(names) - _SHOWN_LABELS
    return ", ".join(names[:_SHOWN_LABELS]) + (f" and {more} more" if more > 0 else "")
