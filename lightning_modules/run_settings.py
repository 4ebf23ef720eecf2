"""How a run begins, ends and is kept: settings that are neither data's, model's nor Trainer's."""

from dataclasses import dataclass, field

from docsort.core.errors import ConfigError
from docsort.data.seed import check_seed
from lightning_modules.loggers import LoggerSettings


@dataclass(frozen=True)
class RunSettings:
    """Raises ConfigError.

    Attributes:
        seed: of dropout and whatever else a step draws.
        patience: validations in a row clearly worse than the best before training ends.
        checkpoint_minutes: between checkpoints within an epoch; every epoch ends with one.
        refit_up_to: documents, val among them, up to which a run is made once more (see
            TrainingRun.refit).
        logger: what gets the run's figures beside its csv.
    """

    seed: int
    patience: int = 3
    checkpoint_minutes: float = 5.0
    refit_up_to: int = 1000
    logger: LoggerSettings = field(default_factory=LoggerSettings)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if type(self.patience) is not int or self.patience < 1:
            raise ConfigError(f"patience={self.patience} is not accepted; give a number from 1 up")
        minutes = self.checkpoint_minutes
        if type(minutes) not in (int, float) or not minutes >= 0:
            raise ConfigError(
                f"checkpoint_minutes={minutes} is not accepted; give a number from 0 up"
            )
        if type(self.refit_up_to) is not int or self.refit_up_to < 0:
            raise ConfigError(
                f"refit_up_to={self.refit_up_to} is not accepted; give a number of documents, or 0 "
                "for never"
            )
