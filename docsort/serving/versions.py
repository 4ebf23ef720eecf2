"""What is wanted of one model: its versions, the default, the previous default, the canary.

Every change makes a new value and is checked here. Knows neither files nor TorchServe.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from docsort.core.errors import ServingError

MAX_CANARY_PERCENT = 99  # all of the requests: that is a promotion


@dataclass(frozen=True)
class WantedVersion:
    """One version of a model: the archive's file name in the store, and its SHA-256.

    ``registered`` is when, in UTC, as ISO 8601.
    """

    version: str
    file: str
    sha256: str
    registered: str


@dataclass(frozen=True)
class Canary:
    """A version that answers a share of the requests that name no version."""

    version: str
    percent: int

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= MAX_CANARY_PERCENT:
            raise ServingError(
                f"--percent {self.percent} is not accepted; it must be 0 to {MAX_CANARY_PERCENT}, "
                "and 0 ends the canary. To send it all requests, promote the version"
            )


@dataclass(frozen=True)
class WantedModel:
    """A name with its versions, one of which answers when none is asked for.

    ``withdrawn`` is the version that was the canary until its workers could not be kept alive.
    """

    name: str
    default: str
    versions: tuple[WantedVersion, ...]
    previous: str | None = None  # what rollback goes back to
    canary: Canary | None = None
    withdrawn: str | None = None

    def __post_init__(self) -> None:
        names = [version.version for version in self.versions]
        if self.default not in names or len(set(names)) != len(names):
            raise ServingError(
                f"model {self.name}: its default {self.default} must be one of its versions, each "
                f"named once: {', '.join(names) or 'none'}"
            )
        for role, version in (
            ("previous default", self.previous),
            ("canary", self.canary_version),
            ("withdrawn canary", self.withdrawn),
        ):
            if version is not None and (version not in names or version == self.default):
                raise ServingError(
                    f"model {self.name}: its {role} {version} must be one of its versions other "
                    f"than the default: {', '.join(names)}"
                )

    @property
    def default_version(self) -> WantedVersion:
        return self.version(self.default)

    @property
    def canary_version(self) -> str | None:
        return self.canary.version if self.canary else None

    def canary_percent(self, version: str) -> int:
        """The share of a version in the requests that name none, the default's own aside."""
        return self.canary.percent if self.canary and self.canary.version == version else 0

    def has(self, version: str) -> bool:
        """Whether it is one of the versions."""
        return version in [known.version for known in self.versions]

    def version(self, version: str) -> WantedVersion:
        """One of the versions. Raises ServingError if there is none of that name."""
        for known in self.versions:
            if known.version == version:
                return known
        names = ", ".join(known.version for known in self.versions)
        raise ServingError(f"{self.name} has no version {version}; it has {names}")

    def with_version(self, version: WantedVersion) -> "WantedModel":
        """The same with one version more, which answers only those who name it."""
        return replace(self, versions=(*self.versions, version))

    def promoted(self, version: str) -> "WantedModel":
        """The version answers all who name none; a canary ends."""
        self.version(version)
        if version == self.default:
            raise ServingError(f"{self.name} {version} is the default already")
        return replace(self, default=version, previous=self.default, canary=None, withdrawn=None)

    def rolled_back(self) -> "WantedModel":
        """The previous default answers again; a canary ends.

        The version that was rolled back is not remembered: a second rollback, by a script or in a
        hurry, must not bring it back.
        """
        if self.previous is None:
            raise ServingError(
                f"{self.name} has no previous default; `docsort models promote` names any version"
            )
        return replace(self, default=self.previous, previous=None, canary=None, withdrawn=None)

    def with_canary(self, version: str, percent: int) -> "WantedModel":
        """The version answers ``percent`` of those who name none; with 0, it no longer does."""
        self.version(version)
        if version == self.default:
            raise ServingError(f"{self.name} {version} is the default, which answers all the rest")
        if percent == 0:
            if version not in (self.canary_version, self.withdrawn):
                raise ServingError(f"{self.name} {version} is no canary; nothing is to be ended")
            return replace(self, canary=None, withdrawn=None)
        return replace(self, canary=Canary(version, percent), withdrawn=None)

    def with_canary_withdrawn(self) -> "WantedModel":
        """The default answers its share too, until a canary is asked for again."""
        return replace(self, canary=None, withdrawn=self.canary_version)

    def without(self, version: str) -> "WantedModel":
        """The same without a version that answers only those who name it."""
        self.version(version)
        if version == self.default:
            others = [known.version for known in self.versions if known.version != version]
            first = "" if others else "register another version, "
            raise ServingError(
                f"{self.name} {version} is the default, which answers all who name no version; "
                f"{first}promote another version before it retires: docsort models promote "
                f"{self.name} {others[-1] if others else 'VERSION'}"
            )
        if version == self.canary_version:
            raise ServingError(
                f"{self.name} {version} is the canary; end that first: "
                f"docsort models canary {self.name} {version} --percent 0"
            )
        rest = tuple(known for known in self.versions if known.version != version)
        previous = None if version == self.previous else self.previous
        withdrawn = None if version == self.withdrawn else self.withdrawn
        return replace(self, versions=rest, previous=previous, withdrawn=withdrawn)


def find_model(wanted: Sequence[WantedModel], name: str) -> WantedModel:
    """The model of that name. Raises ServingError if there is none."""
    for model in wanted:
        if model.name == name:
            return model
    raise ServingError(f"no model {name}; there are {', '.join(m.name for m in wanted)}")
