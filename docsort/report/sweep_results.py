"""What a sweep's page and table show of its runs: values only; chooses by validation alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

State = Literal["complete", "pruned", "failed", "interrupted"]
# settings that repeat a measurement rather than change it
REPEATS = ("data.fold", "seed")


@dataclass(frozen=True)
class SweepRun:
    """One run.

    Attributes:
        number: its folder's name.
        state: interrupted is what a killed sweep left behind.
        parameters: its own settings, as given on the command line.
        score: macro-F1 on validation; None unless the state is complete.
        seconds: of training; None where unknown.
        validations: macro-F1 after each validation, as far as it came.
        note: why it failed, or what else is to be said.
        test: test figures by name, for those that are shown once something has been chosen.
    """

    number: int
    state: State
    parameters: Mapping[str, str]
    score: float | None = None
    seconds: float | None = None
    validations: tuple[float, ...] = ()
    note: str = ""
    test: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if (self.score is None) == (self.state == "complete"):
            raise ValueError(f"run {self.number} is {self.state} with score {self.score}")


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (None for a single value)."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        return f"{self.mean:.4f}" + ("" if self.deviation is None else f" ± {self.deviation:.4f}")


@dataclass(frozen=True)
class Group:
    """Runs that differ only in fold or seed, or a single one; their scores' mean and spread."""

    parameters: Mapping[str, str]
    runs: tuple[SweepRun, ...]

    @property
    def score(self) -> Spread | None:
        """None unless every run finished: the mean of the easy folds would win."""
        scores = [run.score for run in self.runs if run.score is not None]
        return Spread.of(scores) if len(scores) == len(self.runs) else None


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep. ``importance``: of searched settings, 0 to 1; may be empty."""

    title: str
    runs: tuple[SweepRun, ...]
    importance: Mapping[str, float]

    def counts(self) -> Counter[State]:
        """Runs in each state."""
        return Counter(run.state for run in self.runs)

    def varied(self) -> list[str]:
        """Settings that tell runs apart; what all were given alike would only fill the table."""
        names = dict.fromkeys(name for run in self.runs for name in run.parameters)
        if len(self.runs) == 1:
            return list(names)
        return [n for n in names if len({run.parameters.get(n) for run in self.runs}) > 1]

    def repeated(self) -> list[str]:
        """Those of them that only repeat a measurement."""
        return [name for name in self.varied() if name in REPEATS]

    def groups(self) -> list[Group]:
        """Runs gathered over folds and seeds, the best mean first, those without one last.

        Where none are repeated each run stands alone: a search may propose settings twice.
        """
        names = [name for name in self.varied() if name not in REPEATS]
        repeated = bool(self.repeated())
        gathered: dict[tuple[object, ...], list[SweepRun]] = {}
        for run in self.runs:
            own = tuple(run.parameters.get(n) for n in names) if repeated else (run.number,)
            if run.state != "interrupted":
                gathered.setdefault(own, []).append(run)
        groups = [
            Group({n: runs[0].parameters.get(n, "") for n in names}, tuple(runs))
            for runs in gathered.values()
        ]
        return sorted(groups, key=lambda group: -group.score.mean if group.score else 1.0)

    def chosen(self) -> Group | None:
        """The group with the best mean on validation."""
        groups = [group for group in self.groups() if group.score]
        return groups[0] if groups else None

    def best(self) -> SweepRun | None:
        """The chosen group's best run; where no group can be chosen, the best of all."""
        chosen = self.chosen()
        finished = [run for run in (chosen or self).runs if run.score is not None]
        return max(finished, key=lambda run: run.score or 0.0, default=None)

    def chosen_test(self) -> dict[str, Spread]:
        """Test figures of the chosen group alone: no other's are ever shown."""
        chosen = self.chosen()
        tests = [run.test for run in chosen.runs if run.test] if chosen else []
        return {name: Spread.of([test[name] for test in tests]) for name in (tests or [{}])[0]}


def short(value: str) -> str:
    """A searched number in four digits, as one can compare it; anything else as it is."""
    try:
        return value if len(value) < 8 else f"{float(value):.4g}"
    except ValueError:
        return value
