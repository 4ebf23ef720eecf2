"""Weights on disk: readable by whoever may read the folder, and refused in words."""

import stat
from pathlib import Path

import pytest
import torch

from docsort.core.errors import BundleError
from docsort.core.tensor_files import load_tensors, save_tensors
from tests.files import with_umask

TENSORS = {"weight": torch.arange(4.0)}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_weights_have_the_mode_of_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    file = tmp_path / "model.safetensors"
    with with_umask(umask):
        save_tensors(file, TENSORS)
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert torch.equal(load_tensors(file)["weight"], TENSORS["weight"])
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


def test_cut_weights_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_tensors(file, TENSORS)
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(BundleError, match=f"{file} cannot be read"):
        load_tensors(file)
