"""oneDNN's caches are limited before a model is trained or scored by, and a user's value stays."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from docsort.core.packed import pack_linear_layers
from docsort.core.shape_cache import VARIABLES
from lightning_modules.trainer import make_trainer


def make_a_trainer() -> None:
    make_trainer({"accelerator": "cpu"}, Path("nowhere"), [], [])


def pack() -> None:
    pack_linear_layers(nn.Sequential(nn.Linear(2, 2)))


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("prepare", [make_a_trainer, pack])
@pytest.mark.parametrize(("given", "kept"), [(None, "16"), ("1024", "1024")])
def test_limited(
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[], None],
    given: str | None,
    kept: str,
    variable: str,
) -> None:
    monkeypatch.delenv(variable, raising=False)
    if given:
        monkeypatch.setenv(variable, given)
    prepare()
    assert os.environ[variable] == kept


_GROWTH = """if True:
    import ctypes
    import torch
    from torch import nn
    from docsort.core.packed import pack_linear_layers

    class Memory(ctypes.Structure):  # see mallinfo(3)
        _fields_ = [(name, ctypes.c_size_t) for name in "abcdefghij"]

    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Memory
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(384, 384))
    pack_linear_layers(model)
    with torch.inference_mode():
        used = []
        for num in range(16, 600):
            model(torch.ones(num, 384))
            used.append(libc.mallinfo2().h)  # uordblks: bytes that are in use
    print(used[-1] - used[100])
"""


def test_what_is_kept_does_not_grow_with_the_shapes_seen() -> None:
    ours = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    said = subprocess.check_output([sys.executable, "-c", _GROWTH], env=ours, text=True)
    assert int(said) < 4 << 20  # 500 shapes; 137 MB where ideep keeps its 1,024
