"""File names that Hydra's grammar can't read, and how an override that it can't read is refused."""

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from docsort.commands.overrides import setting_of, with_quoted_paths
from docsort.core.errors import ConfigError
from tests.commands.conftest import Docsort, Trained, toy_rows, write_csv

NAMES = [
    *("plain.csv", "train (1).csv", "Ünïcode.csv", "a=b.csv", "a,b.csv", "[x].csv", "{y}.csv"),
    *("$x.csv", "${x}.csv", "x${.csv", "x#.csv", "it's.csv", 'say "hi".csv', "a\\b.csv", "end\\"),
    *("true", "12", "choice(1)", " leading.csv", "trailing.csv ", "x'${q}'.csv", "\\${z}.csv"),
]


def read(argument: str) -> list[str]:
    """The values of an override, as a run's configuration has them."""
    (made,) = with_quoted_paths([argument])
    override = OverridesParser.create().parse_override(made)
    values = override.sweep_iterator() if override.is_sweep_override() else [override.value()]
    return [OmegaConf.create({"name": getattr(value, "text", value)})["name"] for value in values]


@pytest.mark.parametrize("name", NAMES)
def test_existing_file_is_read_by_the_name_typed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    assert read(f"data.train={name}") == [name]
    assert read(f"++hydra.run.dir={name}") == [name]
    assert read(f"data.train={tmp_path / name}") == [str(tmp_path / name)]


def test_list_of_existing_files_is_a_sweep_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["plain.csv", "train (1).csv", "it's.csv"]
    for name in names:
        Path(name).touch()
    assert read(f"data.train={','.join(names)}") == names


@pytest.mark.parametrize(
    ("argument", "made"),
    [
        ("data.train=nowhere.csv", "data.train=nowhere.csv"),
        ("data.train=nowhere (1).csv", "data.train='nowhere (1).csv'"),
        ("data.train=a.csv,b.csv", "data.train=a.csv,b.csv"),
        ("data.train='it is quoted'", "data.train='it is quoted'"),
        ("data.test=null", "data.test=null"),
        ("data.train=${oc.env:HOME}/x.csv", "data.train=${oc.env:HOME}/x.csv"),
        ("hydra.run.dir=runs/${data.name} (1)", "hydra.run.dir='runs/${data.name} (1)'"),
        ("hydra.run.dir=a,b", "hydra.run.dir='a,b'"),
        ("hydra.run.dir='a b'", "hydra.run.dir='a b'"),
        ("data.train=~/new.csv", "data.train=/home/ann/new.csv"),
        ("data.train='~/new.csv'", "data.train=/home/ann/new.csv"),
        ("hydra.sweep.dir=~/new (1)", "hydra.sweep.dir='/home/ann/new (1)'"),
        ("data.text_column=Text (full)", "data.text_column=Text (full)"),
        ("--config-dir=~/x", "--config-dir=~/x"),
        ("-m", "-m"),
    ],
)
def test_other_arguments(argument: str, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert with_quoted_paths([argument]) == [made]


def test_tilde_of_nobody_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read("data.train=~nobody-x/a.csv") == [str(tmp_path / "~nobody-x" / "a.csv")]


def test_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'data\.train=tr\\udce9\.csv' is not UTF-8"):
        with_quoted_paths(["data.train=tr\udce9.csv"])


def test_setting_of_an_override() -> None:
    given = ["seed=1", "+seed=1", "++seed=1", "~seed", "++model.dropout='a=b'"]
    assert list(map(setting_of, given)) == ["seed", "seed", "seed", "~seed", "model.dropout"]


def test_audit_of_an_oddly_named_file(
    docsort: Docsort, overrides: list[str], tmp_path: Path
) -> None:
    """What the run records of its overrides can be given again."""
    file = write_csv(tmp_path / "it's ${x} (1).csv", toy_rows(60, 1))
    run = tmp_path / "run [1]"
    status, _, err = docsort(
        "audit", "data=csv", f"data.train={file}", overrides[0], f"hydra.run.dir={run}"
    )
    assert status == 0, err
    recorded = (run / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")
    argument = OmegaConf.to_container(OmegaConf.create(recorded))[1]  # type: ignore[index,call-overload]
    assert read(argument) == [str(file)]
    assert OmegaConf.load(run / ".hydra" / "config.yaml").data.train == str(file)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("data.text_column=Ü", "type: \"data.text_column='Ü'\""),
        ("data.text_column=Text (all)", "Unknown function 'Text'"),
        ("data.text_column=Text (all)", "type: \"data.text_column='Text (all)'\""),
        ("data.text_column=$;", "type: 'data.text_column='\"'\"'$;'\"'\"''"),
        ("data.fold=range()", "missing a required argument"),
        ("nonsense", "nonsense can't be read; give KEY=VALUE"),
    ],
)
def test_override_that_cannot_be_read_is_refused_in_plain_words(
    docsort: Docsort, argument: str, said: str
) -> None:
    status, _, err = docsort("audit", argument)
    assert status == 2
    assert said in err
    for word in ("http", "Traceback", "token", "mismatched", "EOF", "Exception"):
        assert word not in err


def test_file_without_its_key_is_refused_with_the_key(docsort: Docsort, trained: Trained) -> None:
    status, _, err = docsort("train", trained.train)
    assert status == 2
    assert f'data=csv "data.train={trained.train}"' in err
