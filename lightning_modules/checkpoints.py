"""What a checkpoint carries beside weights, and a bundle from a checkpoint alone."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from docsort.core.bundle import Bundle, Manifest, assemble, manifest_from
from docsort.core.classifier import DocumentClassifier
from docsort.core.disk import check_readable
from docsort.core.errors import BundleError, ModelError
from docsort.core.scorer import Scorer
from docsort.core.tokens import DocumentTokenizer

# what a run needs to go on from one; another number with every change to that
FORMAT = 4
_PREFIX = "classifier."


def tokenizer_files(tokenizer: DocumentTokenizer) -> dict[str, bytes]:
    """The files of a tokenizer's folder; made once a run, since it asks for temporary room."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}


def model_files(
    manifest: Manifest, classifier: DocumentClassifier, files: dict[str, bytes]
) -> dict[str, Any]:
    """Plain values only, so that ``torch.load(weights_only=True)`` reads them back.

    ``files``: the tokenizer's.
    """
    return {
        "format": FORMAT,
        "manifest": json.dumps(asdict(manifest), default=str),
        "encoder": classifier.encoder.config.to_json_string(),
        "tokenizer": files,
    }


def read_weights(path: Path, setting: str = "checkpoint") -> dict[str, Any]:
    """A checkpoint's content. Raises BundleError when it is not one of docsort's.

    ``setting``: what named it, for the error.
    """
    try:
        check_readable(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BundleError(f"{setting}={path}: there is no such file") from error
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise BundleError(f"{setting}={path} cannot be read: {error.strerror}") from error
    except Exception as error:  # whatever torch's unpickler meets in a file of another kind
        raise BundleError(f"{setting}={path} cannot be read; it is cut or no checkpoint") from error
    if not isinstance(content, dict) or "docsort" not in content:
        raise BundleError(f"{setting}={path} was not written by `docsort train`")
    return dict(content)


def manifest_of(content: dict[str, Any]) -> Manifest:
    """What the run that wrote a checkpoint would have put into its bundle."""
    return manifest_from(json.loads(content["docsort"]["manifest"]))


def classifier_state(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The classifier's part of a checkpoint's weights, by its own names."""
    state = content["state_dict"]
    return {k.removeprefix(_PREFIX): v for k, v in state.items() if k.startswith(_PREFIX)}


def scorer_from_checkpoint(path: Path) -> Scorer:
    """A scorer in fp32 on the CPU, from the checkpoint alone. Raises BundleError."""
    content = read_weights(path)
    own, manifest = content["docsort"], manifest_of(content)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, body in own["tokenizer"].items():
            (folder / Path(file).name).write_bytes(body)
        (folder / "config.json").write_text(own["encoder"], encoding="utf-8")
        try:
            classifier, tokenizer = assemble(manifest, folder, folder, classifier_state(content))
        except (BundleError, ModelError) as error:
            reason = str(error).replace(f"{folder}/", "").replace(name, "it")
            raise BundleError(f"checkpoint={path} cannot be used: {reason}") from error
    return Scorer(Bundle(path, manifest, {}), classifier, tokenizer)
