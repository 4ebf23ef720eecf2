"""Settings by their full names, as on the command line. Knows no setting."""

from collections.abc import Iterator, Mapping
from typing import Any


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting by its full name: ``model.optimizer.lr``."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
