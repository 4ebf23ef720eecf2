"""Verbs that take Hydra overrides: composes conf/, turns Hydra's own errors into ours."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import docsort.__main__
from docsort.commands import plugins
from docsort.commands.known_keys import check_keys
from docsort.commands.overrides import as_typed, escaped, in_plain_words, with_quoted_paths
from docsort.commands.run_folder import sole_run
from docsort.commands.verb_help import CONFIG_MODULE, verb_help
from docsort.core.disk import full_disk_as_error, write_whole
from docsort.core.errors import ConfigError, DocsortError, StoppedError

# conf/ is installed inside the package (see setup.cfg), so that a conf/ where the user stands never
# shadows it
CONFIG_PATH = f"pkg://{CONFIG_MODULE}"

HELP = {"-h", "--help"}

T = TypeVar("T")


def run_verb(verb: str, argv: list[str], task: Callable[[dict[str, Any]], Any]) -> int:
    """Run ``task`` on the resolved configuration; under ``-m`` in a process for each run.

    With ``--help`` only tell what can be set.

    Raises:
        ConfigError: an unknown key, group or value, in Hydra's words.
        StorageError: a disk is full.
    """

    def call(config: DictConfig) -> Any:
        try:
            # by this command line Lightning starts further processes: it must be this job's alone
            sys.argv = [docsort.__main__.__file__, verb, *options, *job_overrides()]
            resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
            check_keys(verb, resolved)  # type: ignore[arg-type]
            with sole_run(output_dir()):
                return task(resolved)  # type: ignore[arg-type]
        except (DocsortError, OmegaConfBaseException):
            _remove_if_unused(output_dir())
            raise
        except StoppedError:
            raise
        except Exception:
            with full_disk_as_error(output_dir()):
                raise

    plugins.register()
    # else Hydra prints errors itself, and ends the process
    os.environ["HYDRA_FULL_ERROR"] = "1"
    argv = with_quoted_paths(argv)
    given, sys.argv = sys.argv, [f"docsort {verb}", *argv]
    options = config_options()
    try:
        if asked := HELP & set(argv):
            print(verb_help(verb, [each for each in argv if each not in asked]))
            return 0
        hydra.main(version_base="1.3", config_path=CONFIG_PATH, config_name=verb)(call)()
    except OverrideParseException as error:
        raise ConfigError(in_plain_words(error)) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error).strip()) from error
    finally:
        sys.argv = given
    return 0


def verb_given() -> str:
    """The verb of the command line that Hydra works on."""
    return sys.argv[0].removeprefix("docsort ")


def config_options() -> list[str]:
    """The options by which that command line names configuration files, the folder absolute."""
    given = get_args_parser().parse_args(sys.argv[1:])
    folder = given.config_dir and os.path.abspath(given.config_dir)
    options = {
        "--config-dir": folder,
        "--config-path": given.config_path,
        "--config-name": given.config_name,
    }
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def output_dir() -> Path:
    """This job's folder, which Hydra has made."""
    return Path(HydraConfig.get().runtime.output_dir)


def keep_job_files(config: Mapping[str, Any]) -> None:
    """Write ``.hydra``, for a job that is accepted: its settings, resolved. Raises StorageError.

    Hydra would write it before it calls us; then a refused job would change what the folder of a
    finished one says of it. So ``hydra.output_subdir`` is null in conf/.
    """
    folder = output_dir() / ".hydra"
    settings = OmegaConf.create(_escaped(config))
    write_whole(folder / "config.yaml", OmegaConf.to_yaml(settings))
    write_whole(folder / "hydra.yaml", OmegaConf.to_yaml(HydraConfig.instance().cfg))
    write_whole(folder / "overrides.yaml", OmegaConf.to_yaml(HydraConfig.get().overrides.task))


def _escaped(value: Any) -> Any:
    """Resolved settings as OmegaConf reads them: ``${`` in a text is no interpolation."""
    if isinstance(value, Mapping):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return escaped(value) if isinstance(value, str) else value


def job_overrides() -> list[str]:
    """This job's own overrides, as given on the command line or by a sweep."""
    return as_typed(HydraConfig.get().overrides.task)


def _remove_if_unused(folder: Path) -> None:
    """Remove a refused job's folder, which Hydra has made, if an empty log is all there is in it.

    What can't be removed stays: other processes of the job may be at it.
    """
    log = folder / f"{HydraConfig.get().job.name}.log"
    with suppress(OSError):
        if list(folder.iterdir()) == [log] and not log.stat().st_size:
            log.unlink()
            folder.rmdir()


def settings_of(make: Callable[..., T], group: str, values: dict[str, Any]) -> T:
    """Construct a settings class from its group. Raises ConfigError for keys it doesn't have."""
    try:
        return make(**values)
    except TypeError as error:
        raise ConfigError(f"the configuration group {group!r} does not fit: {error}") from error
