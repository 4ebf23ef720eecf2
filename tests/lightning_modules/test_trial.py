"""A trial that is ended as hopeless, as each of its processes sees it."""

from types import SimpleNamespace
from typing import Any

import pytest

from lightning_modules.classification import MACRO_F1
from lightning_modules.trial import TrialReports


@pytest.mark.parametrize(("is_first", "status"), [(True, 3), (False, 0)])
def test_a_hopeless_trial_ends_in_every_process(is_first: bool, status: int) -> None:
    """The first one's status alone tells: Lightning kills it when another's is not 0."""
    trainer: Any = SimpleNamespace(
        sanity_checking=False,
        is_global_zero=is_first,
        callback_metrics={MACRO_F1: 0.1},
        strategy=SimpleNamespace(broadcast=lambda _: True),
    )
    module: Any = None
    with pytest.raises(SystemExit) as ended:
        TrialReports(lambda _number, _score: True, 3).on_validation_end(trainer, module)
    assert ended.value.code == status
