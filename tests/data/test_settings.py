"""Which data settings are refused, and in which words."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from docsort.core.errors import ConfigError
from docsort.data.rows import Columns
from docsort.data.settings import DataSettings

CONF = Path(__file__).parents[2] / "conf"


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        data = compose(overrides=[f"+{overrides[0]}", *overrides[1:]]).data
    return OmegaConf.to_container(data)  # type: ignore[return-value]


CHOICES = {
    "csv": ["data.train=a.csv"],
    "library_docs": [],
    "hub": ["data.dataset=ag_news"],
    "newsgroups": [],
    "folder": ["data.train=docs"],
}


def test_every_config_is_tried_here() -> None:
    assert {path.stem for path in (CONF / "data").glob("*.yaml")} == {"base", *CHOICES}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_config_makes_settings_and_names_every_field(choice: str) -> None:
    config = composed(f"data={choice}", *CHOICES[choice])
    assert set(config) == set(DataSettings.__dataclass_fields__)
    defaults = DataSettings(
        **{k: config[k] for k in ("source", "name", "train", "test", "dataset")}
    )
    assert DataSettings(**config) == defaults


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ConfigCompositionException, match=r"data\.batchsize"):
        composed("data=csv", "data.train=a.csv", "data.batchsize=3")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": "xml"}, "data.source=xml is not accepted; give one of table, library_docs"),
        ({"train": None}, "data.train is missing"),
        (
            {"source": "library_docs"},
            "data.train=a.csv can't be used with data.source=library_docs",
        ),
        ({"source": "hub"}, "data.dataset and data.train are needed"),
        ({"val_share": 1.0}, "data.val_share=1.0"),
        ({"val_share": 0.5, "test_share": 0.5}, "their sum must be below 1"),
        ({"val_share": "much"}, "data.val_share=much is not accepted; give a number"),
        ({"batch_size": 0}, "data.batch_size=0"),
        ({"batch_size": 2.5}, "data.batch_size=2.5 is not accepted; give a whole number"),
        ({"min_per_label": 2}, "data.min_per_label=2"),
        ({"train_per_label": 0}, "data.train_per_label=0"),
        ({"bad_rows": "ignore"}, "data.bad_rows=ignore is not accepted; give one of drop, refuse"),
        ({"name": "my docs"}, "data.name=my docs"),
        ({"fold": 1}, "go together"),
        ({"fold": 5, "num_folds": 5}, "data.fold=5 is not accepted; give a number from 0 to 4"),
        ({"fold": 0, "num_folds": 5, "test": "t.csv"}, "leave data.test out"),
        ({"split_column": "s", "test": "t.csv"}, "leave data.val and data.test out"),
        ({"split_column": "s", "time_column": "t"}, "different ways to split"),
        ({"label_separator": ""}, "data.label_separator= is not accepted; give null or what"),
        ({"label_column": ["a", "b"], "label_separator": ";"}, "Leave it out, or name one column"),
        ({"audit_rows": 0}, "data.audit_rows=0"),
        ({"delimiter": "||"}, "data.delimiter=|| is not accepted; give null or one character"),
        ({"quoting": None}, "data.quoting=None is not accepted; give one of auto, standard, none"),
        ({"escape": "/"}, "data.escape=/ is not accepted; give null or a backslash"),
        ({"header": "no"}, "data.header=no is not accepted; give true or false"),
        ({"quoting": "none", "source": "folder"}, "data.source=folder reads no csv or tsv"),
        ({"text_column": None}, "data.text_column=None is not accepted; give a column's name, or"),
        ({"text_column": []}, "data.text_column=[] is not accepted"),
        ({"label_column": [1, "1"]}, "data.label_column=[1, '1'] is not accepted"),
        ({"label_column": True}, "data.label_column=True is not accepted"),
        ({"max_held_out": 0}, "data.max_held_out=0"),
        ({"max_leak_share": -0.1}, "data.max_leak_share=-0.1"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DataSettings(**{"source": "table", "name": "docs", "train": "a.csv", **given})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "columns"),
    [("body", ("body",)), (0, ("0",)), (["title", 1], ("title", "1")), (["a"], ("a",))],
)
def test_columns_are_one_name_or_several_or_numbers(given: Any, columns: tuple[str, ...]) -> None:
    settings = DataSettings("table", "docs", "a.csv", text_column=given, label_column=given)
    assert settings.columns == Columns(columns, columns)


def test_a_split_column_may_be_named_by_a_number() -> None:
    assert (
        DataSettings(**composed("data=csv", "data.train=a", "data.group_column=3")).group_column
        == "3"
    )


def test_a_label_separator_typed_as_two_characters_is_a_tab() -> None:
    assert DataSettings("table", "docs", "a.csv", label_separator="\\t").label_separator == "\t"
