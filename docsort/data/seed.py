"""Which numbers are seeds: those that every generator takes. Draws nothing."""

from docsort.core.errors import ConfigError

NUM_SEEDS = 2**32  # as many as numpy's RandomState has, the least of them all


def check_seed(seed: object, setting: str = "seed") -> None:
    """Raises ConfigError for what no generator begins with."""
    if type(seed) is not int or not 0 <= seed < NUM_SEEDS:
        raise ConfigError(
            f"{setting}={seed} is not accepted; give a whole number from 0 to {NUM_SEEDS - 1}"
        )
