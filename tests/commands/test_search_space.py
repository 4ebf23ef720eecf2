"""Hydra's words as distributions: a literal table, and what can't be searched."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from docsort.commands.search_space import probes, search_space
from docsort.core.errors import ConfigError

PARSER = OverridesParser.create()


@pytest.mark.parametrize(
    ("words", "distribution"),
    [
        ("interval(0, 1)", FloatDistribution(0.0, 1.0)),
        ("tag(log, interval(1e-5, 1e-3))", FloatDistribution(1e-5, 1e-3, log=True)),
        ("int(interval(2, 6))", IntDistribution(2, 6)),
        ("int(tag(log, interval(8, 64)))", IntDistribution(8, 64, log=True)),
        ("range(2, 7)", IntDistribution(2, 6)),
        ("range(8, 33, 8)", IntDistribution(8, 32, step=8)),
        ("range(0, 0.3, 0.1)", CategoricalDistribution(("0.0", "0.1", "0.2"))),
        ("choice(8, 16)", CategoricalDistribution(("8", "16"))),
        ("minilm,bert_small", CategoricalDistribution(("minilm", "bert_small"))),
    ],
)
def test_words(words: str, distribution: BaseDistribution) -> None:
    space, fixed = search_space({}, [f"some.setting={words}"], PARSER)
    assert space == {"some.setting": distribution}
    assert fixed == {}


def test_the_command_line_wins() -> None:
    params = {"a": "interval(0, 1)", "b": "interval(0, 1)", "c": 3}
    space, fixed = search_space(params, ["a=0.5", "b=choice(x, y)", "d='1, 2'"], PARSER)
    assert space == {"b": CategoricalDistribution(("x", "y"))}
    assert fixed == {"a": "a=0.5", "c": "c=3", "d": "d='1, 2'"}


@pytest.mark.parametrize("prefix", ["", "+", "++", "~"])
def test_prefixed_setting_wins_over_what_is_searched_by_default(prefix: str) -> None:
    given = f"{prefix}a=0.5"
    space, fixed = search_space({"a": "interval(0, 1)", "b": "interval(0, 1)"}, [given], PARSER)
    assert space.keys() == {"b"}
    assert fixed == {"a": given}


def test_searched_setting_keeps_its_prefix() -> None:
    """Hydra wants it in every run."""
    space, _ = search_space({"b": "interval(0, 1)"}, ["+a=x,y", "++b=1,2"], PARSER)
    assert space.keys() == {"+a", "++b"}


def test_probes_try_every_category() -> None:
    space, fixed = search_space({}, ["a=interval(1, 2)", "b=x,y,z", "c=3"], PARSER)
    assert probes(space, fixed) == [
        ["c=3", "a=1.0", "b=x"],
        ["c=3", "a=1.0", "b=y"],
        ["c=3", "a=1.0", "b=z"],
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to search; give a setting as interval"),
        (["a=1"], "nothing to search"),
        (["data.fold=0,1,2", "data.num_folds=3"], "data.fold.*the luckiest data.fold would win"),
        (["seed=range(1, 4)"], "seed.*luckiest"),
        (["+seed=1,2"], "seed.*luckiest"),
        (["++data.fold=0,1", "a=1,2"], "data.fold.*luckiest"),
        (["a=interval(2, 1)"], r"a=interval\(2, 1\) can't be searched"),
        (["a=tag(log, interval(0, 1))"], "can't be searched"),
    ],
)
def test_what_cannot_be_searched(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        search_space({}, arguments, PARSER)
