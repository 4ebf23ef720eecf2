"""Hydra's own words for what is searched, as Optuna's distributions; searches nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from docsort.core.errors import ConfigError
from docsort.report.sweep_results import REPEATS

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

ACCEPTED = (
    "interval(0.0, 0.3), tag(log, interval(1e-5, 1e-3)), int(interval(2, 6)), range(8, 33, 8) "
    "or choice(a, b)"
)


def search_space(
    params: Mapping[str, object], arguments: Sequence[str], parser: OverridesParser
) -> tuple[dict[str, "BaseDistribution"], dict[str, str]]:
    """What is searched, and the overrides that all trials share, each by setting.

    Args:
        params: ``hydra.sweeper.params``.
        arguments: the command line's overrides, which win.
        parser: Hydra's.

    Raises:
        ConfigError: nothing is searched, or something that can't be.
    """
    given = parser.parse_overrides([f"{name}={value}" for name, value in params.items()])
    given += parser.parse_overrides(list(arguments))
    # of key=, +key=, ++key= and ~key the last one counts
    last = {each.get_key_element().lstrip("+~"): each for each in given}
    searched = [name for name, each in last.items() if each.is_sweep_override()]
    if not searched:
        raise ConfigError(f"the sweep has nothing to search; give a setting as {ACCEPTED}")
    for name in set(searched) & set(REPEATS):
        raise ConfigError(
            f"{name}={last[name].value()} can't be searched: the luckiest {name} would win. Give "
            f"one, or leave sweep=optuna out and run the list with -m"
        )
    fixed = {name: str(each.input_line) for name, each in last.items() if name not in searched}
    space = {last[name].get_key_element(): _distribution(last[name]) for name in searched}
    return space, fixed


def probes(space: Mapping[str, "BaseDistribution"], fixed: Mapping[str, str]) -> list[list[str]]:
    """Overrides that compose only if all trials' do: every category, one end of every range."""
    from optuna.distributions import CategoricalDistribution

    values = {
        name: each.choices if isinstance(each, CategoricalDistribution) else (each.low,)  # type: ignore[attr-defined]
        for name, each in space.items()
    }
    first = {name: some[0] for name, some in values.items()}
    tried = [first] + [{**first, name: each} for name, some in values.items() for each in some[1:]]
    return [[*fixed.values(), *(f"{n}={v}" for n, v in each.items())] for each in tried]


def _distribution(override: Override) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution

    value = override.value()
    try:
        if isinstance(value, IntervalSweep):
            return _interval(value)
        if isinstance(value, RangeSweep) and not value.shuffle:
            return _range(value)
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise ConfigError(
            f"{override.input_line} can't be searched ({error}); accepted are {ACCEPTED}"
        ) from error


def _interval(value: IntervalSweep) -> "BaseDistribution":
    """Hydra's intervals are of floats unless cast by int(…), which makes them of whole numbers."""
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high, log = value.start, value.end, "log" in value.tags
    if low is None or high is None:
        raise ValueError("an interval has two ends")
    if type(low) is int and type(high) is int:
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _range(value: RangeSweep) -> "BaseDistribution":
    """As Python's range: the stop is left out. Optuna leaves out what its step doesn't reach."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    values = list(value.range())
    if all(isinstance(each, int) for each in values):
        step = int(value.step) if value.step else 1
        return IntDistribution(int(min(values)), int(max(values)), step=abs(step))
    return CategoricalDistribution([str(each) for each in values])
