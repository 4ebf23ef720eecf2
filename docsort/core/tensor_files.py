"""Tensors on disk, in safetensors' format: written atomically, read with an error in words."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from docsort.core.disk import check_readable, whole_path
from docsort.core.errors import BundleError


def save_tensors(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write the file that ``load_tensors`` reads. Raises StorageError where the disk is full."""
    with whole_path(file) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})


def load_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Read a file's tensors, on the CPU.

    Raises:
        BundleError: it is cut or changed.
        PermissionError: this user may not read it.
    """
    check_readable(file)
    try:
        return dict(load_file(file))
    except SafetensorError as error:
        raise BundleError(f"{file} cannot be read: {error}; copy the bundle again") from error
