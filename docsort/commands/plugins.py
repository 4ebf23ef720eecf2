"""Makes Hydra know docsort's sweepers and launchers, as hydra_plugins.docsort.

Hydra takes plugins only from a package hydra_plugins, for whose folders it searches the disk. That
of an editable install would not be found (only an import hook knows it), and an installed one would
be read by every other Hydra program. So the package is made here, in memory.
"""

import sys
from types import ModuleType

from hydra.core.plugins import Plugins

PACKAGE = "hydra_plugins"
HOME = f"{PACKAGE}.docsort"


def register() -> None:
    """So that `_target_: hydra_plugins.docsort.…` in conf/hydra is found; again does no harm."""
    # first, since the search reads Hydra's own plugins anew: what was derived from them before
    # would be no kin of them
    known = Plugins.instance()
    from docsort.commands.launchers import JoblibLauncher, OneByOneLauncher, RayLauncher
    from docsort.commands.sweepers import ListSweeper, OptunaSweeper

    home = ModuleType(HOME)
    for plugin in (OneByOneLauncher, JoblibLauncher, RayLauncher, ListSweeper, OptunaSweeper):
        plugin.__module__ = HOME
        setattr(home, plugin.__name__, plugin)
        known.register(plugin)
    package = sys.modules.setdefault(PACKAGE, ModuleType(PACKAGE))
    package.docsort = home  # type: ignore[attr-defined]
    sys.modules[HOME] = home
