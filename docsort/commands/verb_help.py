"""``--help`` of the verbs that Hydra configures: what stands in conf/, with its comments."""

import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from docsort.commands import VERBS

CONFIG_MODULE = "docsort.conf"
# what a group's options share; no option itself
BASE = "base"
COMMENT_COLUMN = 34
_KEY = re.compile(r"(?P<indent> *)(?P<name>[\w/]+):[^#]*(?:#\s*(?P<comment>.+))?")


class Line(NamedTuple):
    """A line of YAML, the full name of the key in it (``model.optimizer.lr``), and its comment."""

    text: str
    key: str
    comment: str | None


def verb_help(verb: str, overrides: list[str]) -> str:
    """What the verb does, the groups, and every key outside ``hydra`` as these overrides set it.

    What a sweep varies is shown as it is without one.
    """
    given = [each for each in overrides if each not in ("-m", "--multirun")]
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config(verb, given, RunMode.MULTIRUN)
    choices: dict[str, str] = OmegaConf.to_container(config.hydra.runtime.choices)  # type: ignore[assignment]
    # Hydra names the last of the defaults first
    groups = [group for group in reversed(choices) if (_conf() / group).is_dir()]
    groups.sort(key=lambda group: "/" in group)
    return "\n".join(
        [
            f"usage: docsort {verb} [KEY=VALUE …] [GROUP=OPTION …]",
            f"\n{VERBS[verb]}\n",
            "groups and their options:",
            *(f"  {group:<16}{', '.join(_options(group))}" for group in groups),
            "\nkeys as they are set now (with `--help GROUP=OPTION`, as that option sets them):",
            *_with_comments(config, _comments(verb, choices)),
            "\nhydra.run.dir=FOLDER is where the files go; -m runs all combinations of values with",
            "commas between them, into hydra.sweep.dir. More about Hydra: --hydra-help.",
        ]
    )


def _conf() -> Traversable:
    return resources.files(CONFIG_MODULE)


def _options(group: str) -> list[str]:
    files = (_conf() / group).iterdir()
    names = {file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")}
    return sorted(names - {BASE})


def _comments(verb: str, choices: dict[str, str]) -> dict[str, str]:
    """By key, the verb's own and those of the chosen options, which come after what they share."""
    files = [("", _conf() / f"{verb}.yaml")]
    for group, option in choices.items():
        files += [(f"{group}.", _conf() / group / f"{name}.yaml") for name in (BASE, option)]
    return {
        f"{prefix}{line.key}": line.comment
        for prefix, file in files
        if file.is_file()
        for line in _lines(file.read_text(encoding="utf-8"))
        if line.comment
    }


def _with_comments(config: DictConfig, comments: dict[str, str]) -> Iterator[str]:
    shown = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    for line in _lines(OmegaConf.to_yaml(shown)):
        comment = comments.get(line.key)
        yield f"{line.text:<{COMMENT_COLUMN}}  # {comment}" if comment else line.text


def _lines(yaml: str) -> Iterator[Line]:
    above: list[tuple[int, str]] = []
    for text in yaml.splitlines():
        if found := _KEY.fullmatch(text):
            indent = len(found["indent"])
            above = [outer for outer in above if outer[0] < indent]
            above.append((indent, found["name"]))
            yield Line(text, ".".join(name for _, name in above), found["comment"])
        elif not text.lstrip().startswith("#"):
            yield Line(text, "", None)
