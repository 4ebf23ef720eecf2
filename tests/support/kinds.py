"""The marker of each test, from its fixtures and from what its module imports."""

from collections.abc import Collection

import pytest

KINDS = ("unit", "training", "server", "browser", "container")
CONTAINER_FIXTURES = {"engine_program"}
SERVER_FIXTURES = {"disks", "nginx", "open_wall", "server"}
# A module that imports one of these builds archives, or starts TorchServe or Nginx.
SERVER_NAMES = {"RunningServer", "build_archive", "find_nginx", "prepare", "start_server"}
TRAINING_FIXTURES = {"made", "overrides", "run", "scripted", "trained"}


def kind_of(fixtures: Collection[str], names: Collection[str]) -> str:
    """The marker of a test.

    Args:
        fixtures: the names of all fixtures that the test needs, also by way of others.
        names: the global names of the test's module.

    Returns:
        The first of container, server and training that fits, otherwise unit.
    """
    if not CONTAINER_FIXTURES.isdisjoint(fixtures):
        return "container"
    if not (SERVER_FIXTURES.isdisjoint(fixtures) and SERVER_NAMES.isdisjoint(names)):
        return "server"
    return "unit" if TRAINING_FIXTURES.isdisjoint(fixtures) else "training"


def mark(items: list[pytest.Item]) -> None:
    """Give its marker to each test that has none of them, as those with ``browser`` have."""
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in KINDS):
            names = vars(getattr(item, "module", None) or object)
            item.add_marker(kind_of(getattr(item, "fixturenames", ()), names))
