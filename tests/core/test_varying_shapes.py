"""oneDNN's cache is limited before a model is trained or scored by, and a user's value stays."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from docsort.core.scorer import Scorer
from docsort.core.varying_shapes import VARIABLE
from lightning_modules.trainer import make_trainer


def make_a_trainer(bundle: Path) -> None:
    make_trainer({"accelerator": "cpu"}, Path("nowhere"), [], [])


def load_a_scorer(bundle: Path) -> None:
    Scorer.load(bundle)


PREPARATIONS = pytest.mark.parametrize("prepare", [make_a_trainer, load_a_scorer])


@PREPARATIONS
@pytest.mark.parametrize(("given", "kept"), [(None, "16"), ("1024", "1024")])
def test_limited(
    monkeypatch: pytest.MonkeyPatch,
    tiny_bundle: Path,
    prepare: Callable[[Path], None],
    given: str | None,
    kept: str,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if given:
        monkeypatch.setenv(VARIABLE, given)
    prepare(tiny_bundle)
    assert os.environ[VARIABLE] == kept


@PREPARATIONS
def test_no_cudnn_attention(tiny_bundle: Path, prepare: Callable[[Path], None]) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    prepare(tiny_bundle)
    assert not torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
