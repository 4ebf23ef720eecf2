"""Hydra sweepers: lists of values, and a search by Optuna. Where runs go is the launcher's job."""

import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from docsort.commands.hydra_verbs import verb_given
from docsort.commands.launchers import ProcessLauncher
from docsort.commands.run_folder import sole_command
from docsort.commands.search_space import probes, search_space
from docsort.commands.sweep import conclude, read_runs
from docsort.core.errors import ConfigError, DocsortError
from docsort.report.sweep_results import Sweep

# in a database's URL: between user and host, or asked for behind the path
_PASSWORD = re.compile(r"(://[^:/@]*:)[^@]*(?=@)|([?&]password=)[^&]*")


class ListSweeper(BasicSweeper):
    """Hydra's own sweeper of lists, its runs told of at the end, the failed ones too."""

    @staticmethod
    def split_arguments(
        overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """Every run's overrides. Of key=, +key= and ++key= the last one counts, as in one run."""
        last = {each.get_key_element().lstrip("+"): each for each in overrides}
        deleted = [str(each.input_line) for each in last.values() if each.is_delete()]
        others = [each for each in last.values() if not each.is_delete()]
        batches = BasicSweeper.split_arguments(others, max_batch_size)
        return [[[*run, *deleted] for run in batch] for batch in batches]

    def sweep(self, arguments: list[str]) -> None:
        """Run all combinations. Raises DocsortError, at the end, when some have failed."""
        assert self.config is not None
        _check_launcher(self.launcher)
        folder = Path(self.config.hydra.sweep.dir).absolute()
        with sole_sweep(folder):
            returns = super().sweep(arguments)
            # the other verbs' runs have no score to compare
            if verb_given() == "train":
                given = [each.overrides or () for batch in returns for each in batch]
                runs = read_runs(folder, given)
                conclude(folder, Sweep(self.config.data.name, runs, {}))
        notes = [each.return_value for batch in returns for each in batch]
        if failed := [f"run {n} {note}" for n, note in enumerate(notes) if note]:
            raise DocsortError(f"{len(failed)} of {len(notes)} runs failed; {failed[0]}")


class OptunaSweeper(Sweeper):
    """Trials chosen by Optuna from what came before; hopeless ones pruned; resumable."""

    def __init__(self, params: Mapping[str, Any], **settings: Any) -> None:
        """``settings``: see StudySettings in docsort/sweeps/study.py."""
        self._params, self._settings = params, settings

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config, self.hydra_context = config, hydra_context
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run what is left of the sweep's trials, and conclude it.

        Raises:
            ConfigError: a setting of the sweep, or no trial finished.
        """
        assert self.config is not None
        assert self.hydra_context is not None
        _check_launcher(self._launcher)
        search = _search_type()
        # the group that chose this sweeper is no setting of a run
        chosen_by = [each for each in arguments if each.startswith("sweep=")]
        given = [each for each in arguments if each not in chosen_by]
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        space, fixed = search_space(self._params, given, parser)
        self.validate_batch_is_legal([[*chosen_by, *each] for each in probes(space, fixed)])
        folder = Path(self.config.hydra.sweep.dir).absolute()
        with sole_sweep(folder):
            OmegaConf.save(_without_password(self.config), folder / "multirun.yaml")
            print(f"sweep   {folder}; killed half-way, it goes on with the same command and")
            print(f"        hydra.sweep.dir={folder}")
            search(self._launcher, folder, self._settings, space, fixed).run(self.config.data.name)


def _check_launcher(launcher: object) -> None:
    if not isinstance(launcher, ProcessLauncher):
        raise ConfigError("a sweep runs with hydra/launcher=one_by_one, joblib or ray")


def _without_password(config: DictConfig) -> DictConfig:
    """A copy that others may read: the storage's password hidden, in the command line too."""
    shown: DictConfig = copy.deepcopy(config)
    OmegaConf.set_readonly(shown.hydra, False)
    if shown.hydra.sweeper.storage:
        shown.hydra.sweeper.storage = _hidden(shown.hydra.sweeper.storage)
    shown.hydra.overrides.hydra = [_hidden(each) for each in shown.hydra.overrides.hydra]
    return shown


def _hidden(text: str) -> str:
    return _PASSWORD.sub(r"\1\2***", text)


def _search_type() -> Any:
    try:
        from docsort.commands.search import Search
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ConfigError(
            "sweep=optuna needs Optuna; install it with: pip install 'docsort[sweep]'"
        ) from error
    return Search


@contextmanager
def sole_sweep(folder: Path) -> Iterator[None]:
    """Hold the folder, made if need be. Raises ConfigError while another sweep runs in it."""
    with sole_command(folder, f"hydra.sweep.dir={folder}", "sweep"):
        yield
