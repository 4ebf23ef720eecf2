"""Keys that a verb's configuration doesn't have: Hydra takes whatever stands behind a +."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources
from typing import Any

from omegaconf import OmegaConf

from docsort.commands.verb_help import CONFIG_MODULE
from docsort.core.errors import ConfigError
from docsort.core.full_names import flat_settings

# groups whose options set keys of others
_PLACELESS = {"hydra", "sweep", "experiment"}


def check_keys(verb: str, config: Mapping[str, Any]) -> None:
    """Raise ConfigError for a key outside the groups that conf/ doesn't name, or one left out.

    Those in a group are looked at where its settings are made (hydra_verbs.settings_of).
    """
    known = _known(verb)
    if missing := sorted(known - _PLACELESS - config.keys()):
        raise ConfigError(
            f"~{missing[0]} leaves out a setting that docsort {verb} reads; give it another value"
        )
    for key in config:
        if key not in known:
            like = _like(key, {name: config[name] for name in known & config.keys()})
            perhaps = f"; perhaps {' or '.join(like)} is meant" if like else ""
            raise ConfigError(
                f"{key} is no key of docsort {verb}{perhaps}; docsort {verb} --help tells of all"
            )


def _known(verb: str) -> set[str]:
    file = resources.files(CONFIG_MODULE) / f"{verb}.yaml"
    keys: dict[str, Any] = OmegaConf.to_container(OmegaConf.create(file.read_text("utf-8")))  # type: ignore[assignment]
    choices = [default for default in keys.pop("defaults") if isinstance(default, Mapping)]
    names = set(keys).union(*choices)
    return {name for name in names if not name.startswith("override ")}


def _like(key: str, config: Mapping[str, Any]) -> list[str]:
    """Full names whose last part is the key, or else much like it."""
    names = [name for name, _ in flat_settings(config)]
    last = {name: name.rpartition(".")[2] for name in names}
    parts = [key] if key in last.values() else get_close_matches(key, last.values(), n=1)
    return [name for name in names if last[name] in parts]
