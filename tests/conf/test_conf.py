"""Every config file composes, and every group's values construct the settings that they mirror."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from hydra import compose, initialize_config_module
from hydra._internal.callbacks import Callbacks
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import OmegaConf

from docsort.commands import VERBS, plugins
from docsort.commands.search_space import probes, search_space
from docsort.data.settings import DataSettings
from lightning_modules.loggers import LoggerSettings
from lightning_modules.settings import ModelSettings
from lightning_modules.trainer_settings import checked_trainer

CONF = Path(__file__).parents[2] / "conf"
SHARED = ("base", "defaults")
# what a group's choice can't know by itself
NEEDED = {"csv": ["data.train=F.csv"], "folder": ["data.train=F"]}
NEEDED["hub"] = ["data.dataset=D", "data.train=train"]
NEEDED["r8"] = NEEDED["ohsumed"] = NEEDED["csv"]


def choices(group: str) -> list[str]:
    return sorted(file.stem for file in (CONF / group).glob("*.yaml") if file.stem not in SHARED)


def composed(*overrides: str, config: str = "train") -> dict[str, Any]:
    with initialize_config_module("docsort.conf", version_base="1.3"):
        content = OmegaConf.to_container(
            compose(config, list(overrides)), resolve=True, throw_on_missing=True
        )
    assert isinstance(content, dict)
    return content  # type: ignore[return-value]


@pytest.mark.parametrize("choice", choices("data"))
def test_data(choice: str) -> None:
    settings = DataSettings(**composed(f"data={choice}", *NEEDED.get(choice, []))["data"])
    assert settings.batch_size >= 1


@pytest.mark.parametrize("choice", choices("model"))
def test_model(choice: str) -> None:
    settings = ModelSettings.of(**composed(f"model={choice}")["model"])
    assert settings.attention_dropout == 0.0


@pytest.mark.parametrize("choice", choices("logger"))
def test_logger(choice: str) -> None:
    assert LoggerSettings(**composed(f"logger={choice}")["logger"]).kind == choice


@pytest.mark.parametrize("choice", choices("trainer"))
def test_trainer(choice: str) -> None:
    settings = composed(f"trainer={choice}")["trainer"]
    if settings["accelerator"] == "gpu":
        # everything but the device is constructed for real on a machine without one
        settings |= {"accelerator": "cpu", "precision": "bf16-mixed"}
    settings = checked_trainer(settings)
    pl.Trainer(**settings, logger=False, enable_checkpointing=False)


def test_t4_is_one_gpu_with_16_mixed() -> None:
    settings = composed("trainer=t4")["trainer"]
    assert (settings["accelerator"], settings["devices"]) == ("gpu", 1)
    assert settings["precision"] == "16-mixed"


@pytest.mark.parametrize("choice", choices("experiment"))
def test_experiment(choice: str) -> None:
    content = composed(f"experiment={choice}", *NEEDED.get(choice, []))
    DataSettings(**content["data"])
    ModelSettings.of(**content["model"])


@pytest.mark.parametrize("choice", choices("sweep"))
@pytest.mark.parametrize("launcher", choices("hydra/launcher"))
def test_sweep(choice: str, launcher: str) -> None:
    plugins.register()
    with initialize_config_module("docsort.conf", version_base="1.3"):
        given = [f"sweep={choice}", f"hydra/launcher={launcher}"]
        config = compose("train", given, return_hydra_config=True)
    context = HydraContext(config_loader=None, callbacks=Callbacks())  # type: ignore[arg-type]
    sweeper = Plugins.instance().instantiate_sweeper(
        hydra_context=context, task_function=print, config=config
    )
    assert type(sweeper).__name__.lower().startswith(choice.removesuffix("s"))


def test_every_searched_setting_exists() -> None:
    """conf/sweep/optuna.yaml's keys, with a value of theirs, construct what they set."""
    with initialize_config_module("docsort.conf", version_base="1.3"):
        config = compose("train", ["sweep=optuna"], return_hydra_config=True)
    space, _ = search_space(config.hydra.sweeper.params, [], OverridesParser.create())
    for probe in probes(space, {}):
        content = composed(*probe)
        ModelSettings.of(**content["model"])
        DataSettings(**content["data"])
        pl.Trainer(**checked_trainer(content["trainer"]), logger=False, enable_checkpointing=False)


@pytest.mark.parametrize("command", sorted(file.stem for file in CONF.glob("*.yaml")))
def test_command(command: str) -> None:
    assert composed(config=command)["data"]
    assert command in VERBS


def test_first_line_is_the_command_that_uses_the_file() -> None:
    for file in CONF.rglob("*.yaml"):
        first, second = [*file.read_text(encoding="utf-8").splitlines(), ""][:2]
        line = second if first.startswith("# @package") else first
        assert "docsort " in line, file
