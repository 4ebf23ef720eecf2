"""A bundle on disk: what stands in ``bundle.json``, reading it, writing it whole or not at all.

Knows neither how documents are scored (scorer.py) nor how answers are proved (golden.py).

    bundle/
    ├── bundle.json         schema, task, labels, windows, calibration, provenance, file sizes
    ├── model.safetensors   encoder and head; no pickle
    ├── linear.safetensors  the linear model beside the encoder, if calibration has a use for it
    ├── encoder/config.json
    ├── tokenizer/
    └── golden.jsonl        held-out documents with the probabilities that this bundle gives them
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from transformers import AutoConfig, AutoModel

from docsort.core.classifier import DocumentClassifier
from docsort.core.disk import (
    PARTIAL,
    check_readable,
    full_disk_as_error,
    remove_partials,
    write_whole,
)
from docsort.core.errors import BundleError
from docsort.core.foreign_code import refuse_code
from docsort.core.hashing import file_sha256
from docsort.core.linear import LinearModel
from docsort.core.pretrained import check_window, without_pooler
from docsort.core.probabilities import Task
from docsort.core.tensor_files import load_tensors, save_tensors
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import WindowPlan

SCHEMA_VERSION = 1
MANIFEST = "bundle.json"
WEIGHTS = "model.safetensors"
LINEAR = "linear.safetensors"
ENCODER = "encoder"
TOKENIZER = "tokenizer"
NO_CODE = "docsort runs no code of a bundle. Use the bundle that `docsort train` wrote"


@dataclass(frozen=True)
class Cascade:
    """Which documents the linear model answers alone; chosen by docsort/report/cascade.py.

    Attributes:
        threshold: where its highest probability is at least this, the encoder is not asked.
        max_extra_error: share of all documents at most that it thereby answers wrongly, …
        confidence: … with this probability, …
        documents: … as shown on so many documents that it had not seen, …
        share: … of which it answered this share.
    """

    threshold: float
    max_extra_error: float
    confidence: float
    documents: int
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise BundleError(f"cascade.threshold={self.threshold} must be over 0, at most 1")


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities and answers; all of it fitted on validation documents.

    Attributes:
        temperature: what the logits are divided by, the linear model's evidence included.
        thresholds: one a class where a document may have several; None where it has one.
        linear_weight: what the linear model's evidence is multiplied by; 0 where there is none.
        cascade: which documents the linear model answers alone; None: the encoder reads all.
    """

    temperature: float = 1.0
    thresholds: tuple[float, ...] | None = None
    linear_weight: float = 0.0
    cascade: Cascade | None = None

    @property
    def uses_linear(self) -> bool:
        """Whether anything is asked of the linear model."""
        return self.linear_weight > 0 or self.cascade is not None

    def __post_init__(self) -> None:
        if not self.linear_weight >= 0:
            raise BundleError(f"calibration.linear_weight={self.linear_weight} must be 0 or more")
        if not self.temperature > 0:
            raise BundleError(f"calibration.temperature={self.temperature} must be over 0")


@dataclass(frozen=True)
class Manifest:
    """What ``bundle.json`` says, less the schema version and the file sizes."""

    task: Task
    labels: tuple[str, ...]
    window: int
    overlap: int
    max_windows: int
    pooling: str = "mean"
    calibration: Calibration = field(default_factory=Calibration)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise BundleError(
                f"task {self.task!r} is unknown; accepted: {', '.join(get_args(Task))}"
            )
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise BundleError(f"labels must be one or more different names, not {self.labels}")
        if self.calibration.cascade is not None and self.task == "multi_label":
            raise BundleError("a cascade is for one label a document")
        thresholds = self.calibration.thresholds
        if thresholds is not None and len(thresholds) != len(self.labels):
            raise BundleError(f"{len(thresholds)} thresholds for {len(self.labels)} labels")

    def plan(self, tokenizer: DocumentTokenizer) -> WindowPlan:
        """The windows that this bundle reads documents in."""
        return WindowPlan(
            self.window, self.overlap, self.max_windows, tokenizer.prefix, tokenizer.suffix
        )


@dataclass(frozen=True)
class Bundle:
    """A bundle's folder and what its ``bundle.json`` says."""

    path: Path
    manifest: Manifest
    files: dict[str, dict[str, Any]]

    @property
    def task(self) -> Task:
        return self.manifest.task

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def calibration(self) -> Calibration:
        return self.manifest.calibration

    @property
    def provenance(self) -> dict[str, Any]:
        return self.manifest.provenance


def read_bundle(path: str | Path) -> Bundle:
    """Read and check ``bundle.json`` and the sizes of the files that it names.

    Raises:
        PermissionError: this user may not read a file.
        BundleError: not a bundle, of another schema version, with a missing or cut file, or with a
            configuration that asks for code.
    """
    folder = Path(path)
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BundleError(
            f"{folder} is not a bundle: it has no {MANIFEST}; a bundle is the folder that "
            "`docsort train` names on its last lines"
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{folder / MANIFEST} cannot be read as JSON: {error}") from error
    try:
        files = _check_schema(folder, content)
        _check_sizes(folder, files)
        manifest = manifest_from(content)
    except (KeyError, TypeError) as error:
        raise BundleError(f"{folder / MANIFEST} is incomplete: {error}") from error
    for part in (ENCODER, TOKENIZER):
        refuse_code(folder / part, BundleError, NO_CODE)
    return Bundle(folder, manifest, files)


def verify_files(bundle: Bundle) -> None:
    """Hash every file again. Raises BundleError naming those that are not what was written."""
    changed = [
        name
        for name, said in bundle.files.items()
        if file_sha256(bundle.path / name) != said["sha256"]
    ]
    if changed:
        raise BundleError(f"{bundle.path}: changed since it was written: {', '.join(changed)}")


def load_model(bundle: Bundle) -> tuple[DocumentClassifier, DocumentTokenizer]:
    """Classifier in fp32 on the CPU, in evaluation mode, and the tokenizer."""
    state = load_tensors(bundle.path / WEIGHTS)
    return assemble(bundle.manifest, bundle.path / ENCODER, bundle.path / TOKENIZER, state)


def load_linear(bundle: Bundle) -> LinearModel | None:
    """The linear model beside the encoder; None where it isn't asked. Raises BundleError."""
    if not bundle.calibration.uses_linear:
        return None
    linear = LinearModel.load(bundle.path / LINEAR)
    if len(linear.bias_C) != len(bundle.labels):
        raise BundleError(
            f"{bundle.path / LINEAR} has {len(linear.bias_C)} labels, not this bundle's"
        )
    return linear


def assemble(
    manifest: Manifest, encoder: Path, tokenizer: Path, state: dict[str, torch.Tensor]
) -> tuple[DocumentClassifier, DocumentTokenizer]:
    """A classifier from the folders of its encoder's configuration and tokenizer, and weights.

    Raises:
        BundleError: the weights are not this model's, or a configuration asks for code.
    """
    refuse_code(encoder, BundleError, NO_CODE)
    try:
        config = AutoConfig.from_pretrained(
            str(encoder), local_files_only=True, trust_remote_code=False
        )
        model = without_pooler(
            AutoModel.from_config(
                config, attn_implementation="sdpa", dtype=torch.float32, trust_remote_code=False
            )
        )
    except Exception as error:  # whatever transformers raises for a damaged configuration
        raise BundleError(f"{encoder} holds no encoder configuration: {error}") from error
    check_window(manifest.window, model)
    document_tokenizer = DocumentTokenizer.load(tokenizer)
    classifier = DocumentClassifier(
        model, len(manifest.labels), manifest.pooling, pad_id=document_tokenizer.pad_id
    )
    try:
        classifier.load_state_dict(state)
    except RuntimeError as error:
        raise BundleError(f"the weights are not those of this model: {error}") from error
    return classifier.eval(), document_tokenizer


def write_model(
    folder: Path,
    manifest: Manifest,
    classifier: DocumentClassifier,
    tokenizer: DocumentTokenizer,
    linear: LinearModel | None = None,
) -> None:
    """Write all of a bundle but its golden documents into ``folder``, which exists."""
    state = {
        name: tensor.detach().float().cpu().contiguous()
        for name, tensor in classifier.state_dict().items()
    }
    save_tensors(folder / WEIGHTS, state)
    classifier.encoder.config.save_pretrained(str(folder / ENCODER))
    tokenizer.save(folder / TOKENIZER)
    if linear is not None:
        linear.save(folder / LINEAR)
    seal(folder, manifest)


def seal(folder: Path, manifest: Manifest) -> None:
    """Write ``bundle.json`` with the sizes and hashes of all files that lie there now."""
    remove_partials(folder / MANIFEST)
    files = {
        str(file.relative_to(folder)): {"bytes": file.stat().st_size, "sha256": file_sha256(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    content = {"schema_version": SCHEMA_VERSION, **asdict(manifest), "files": files}
    text = json.dumps(content, indent=2, ensure_ascii=False, default=str)
    write_whole(folder / MANIFEST, text + "\n")


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A new folder beside ``path`` that becomes ``path`` when the block ends without an error.

    Raises:
        BundleError: ``path`` is there already.
        StorageError: the disk is full.
    """
    if path.exists():
        raise BundleError(f"{path} is there already; move it away, or choose another place")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    partial.mkdir()
    try:
        with full_disk_as_error(path):
            yield partial
        os.replace(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _check_schema(folder: Path, content: Any) -> dict[str, dict[str, Any]]:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{folder} has bundle schema version {version}; this docsort reads version "
            f"{SCHEMA_VERSION}. Train again with this docsort, or use the one that wrote the bundle"
        )
    files = content.get("files")
    if not isinstance(files, dict) or WEIGHTS not in files:
        raise BundleError(f"{folder / MANIFEST} is incomplete: it does not list {WEIGHTS}")
    return files


def _check_sizes(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    for name, said in files.items():
        file = folder / name
        if not file.is_file():
            raise BundleError(f"{folder} is incomplete: {name} is missing; copy the bundle again")
        check_readable(file)
        if (size := file.stat().st_size) != said["bytes"]:
            raise BundleError(
                f"{file} has {size} bytes, but {said['bytes']} were written; it was cut or "
                "changed: copy the bundle again"
            )


def manifest_from(content: dict[str, Any]) -> Manifest:
    calibration = content["calibration"]
    thresholds, cascade = calibration["thresholds"], calibration.get("cascade")
    return Manifest(
        task=content["task"],
        labels=tuple(content["labels"]),
        window=content["window"],
        overlap=content["overlap"],
        max_windows=content["max_windows"],
        pooling=content["pooling"],
        calibration=Calibration(
            calibration["temperature"],
            None if thresholds is None else tuple(thresholds),
            calibration.get("linear_weight", 0.0),  # the first bundles had no linear model
            Cascade(**cascade) if cascade else None,
        ),
        provenance=content["provenance"],
    )
