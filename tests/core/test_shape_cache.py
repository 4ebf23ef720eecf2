"""oneDNN's cache is limited before a model is trained or scored by, and a user's value stays."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from docsort.core.packed import pack_linear_layers
from docsort.core.shape_cache import VARIABLE
from lightning_modules.trainer import make_trainer


def make_a_trainer() -> None:
    make_trainer({"accelerator": "cpu"}, Path("nowhere"), [], [])


def pack() -> None:
    pack_linear_layers(nn.Sequential(nn.Linear(2, 2)))


@pytest.mark.parametrize("prepare", [make_a_trainer, pack])
@pytest.mark.parametrize(("given", "kept"), [(None, "16"), ("1024", "1024")])
def test_limited(
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[], None],
    given: str | None,
    kept: str,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if given:
        monkeypatch.setenv(VARIABLE, given)
    prepare()
    assert os.environ[VARIABLE] == kept
