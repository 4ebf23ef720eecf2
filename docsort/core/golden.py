"""Golden documents: proof that a bundle gives the same answers in another place or runtime.

``golden.jsonl`` has one line a document, ``{"text": …, "probabilities": [one a label]}``: what the
written bundle, read back in fp32 on a CPU, gave it.
"""

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from docsort.core.bundle import (
    Bundle,
    Manifest,
    read_bundle,
    seal,
    whole_or_nothing,
    write_model,
)
from docsort.core.classifier import DocumentClassifier
from docsort.core.errors import BundleError
from docsort.core.linear import LinearModel
from docsort.core.scorer import Scorer
from docsort.core.tokens import DocumentTokenizer

GOLDEN = "golden.jsonl"
# Other processors and other builds of torch add up in another order.
TOLERANCE_SAME_MACHINE = 1e-5
TOLERANCE_ELSEWHERE = 1e-4


@dataclass(frozen=True)
class GoldenDocument:
    """A held-out text and the probabilities, one a label, that it must be given."""

    text: str
    probabilities: tuple[float, ...]


def write_bundle(
    path: Path,
    manifest: Manifest,
    classifier: DocumentClassifier,
    tokenizer: DocumentTokenizer,
    golden_texts: Sequence[str],
    linear: LinearModel | None = None,
) -> None:
    """Write a whole bundle, golden documents included, or nothing.

    Raises:
        BundleError: ``path`` is there already.
    """
    manifest = replace(manifest, provenance={**manifest.provenance, "machine": machine()})
    with whole_or_nothing(path) as folder:
        write_model(folder, manifest, classifier, tokenizer, linear)
        scorer = Scorer.load(folder)
        _write_golden(folder / GOLDEN, scorer, golden_texts)
        seal(folder, manifest)


def read_golden(path: str | Path) -> list[GoldenDocument]:
    """The golden documents of the bundle in folder ``path``. Raises BundleError."""
    file = Path(path) / GOLDEN
    try:
        # not splitlines: U+0085 and U+2028 in a document would end a line there
        lines = file.read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line]
        golden = [GoldenDocument(row["text"], tuple(row["probabilities"])) for row in rows]
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"{file} cannot be read: {error}") from error
    if not golden:
        raise BundleError(f"{file} holds no golden documents; nothing could be proved by it")
    return golden


def tolerance(bundle: Bundle) -> float:
    """The difference in a probability that is allowed here, for a bundle written where it was."""
    same = bundle.provenance.get("machine") == machine()
    return TOLERANCE_SAME_MACHINE if same else TOLERANCE_ELSEWHERE


def check_golden(path: str | Path, score: Callable[[list[str]], np.ndarray]) -> float:
    """Score a bundle's golden documents by ``score`` and compare.

    Args:
        path: the bundle's folder.
        score: texts to probabilities (D, C), whatever stands behind it.

    Returns:
        The largest difference of a probability.

    Raises:
        BundleError: a difference over the tolerance, or another number of probabilities.
    """
    bundle, golden = read_bundle(path), read_golden(path)
    expected_DC = np.array([document.probabilities for document in golden])
    given_DC = np.asarray(score([document.text for document in golden]))
    if given_DC.shape != expected_DC.shape:
        raise BundleError(
            f"golden probabilities of shape {expected_DC.shape}, got {given_DC.shape}"
        )
    difference = float(np.abs(given_DC - expected_DC).max())
    if not difference <= tolerance(bundle):  # "not <=", so that NaN is refused as well
        raise BundleError(
            f"the golden documents' probabilities differ by up to {difference:.2g}, over "
            f"{tolerance(bundle):g}: what is tried here does not give this bundle's answers"
        )
    return difference


def machine() -> str:
    """What decides in which order floats are added: processor, instruction set, torch."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        processor = models[0] if models else processor
    except OSError:
        pass  # not Linux: the platform's own word will do
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{processor}; {capability}; torch {torch.__version__}"


def _write_golden(file: Path, scorer: Scorer, texts: Sequence[str]) -> None:
    rows = [
        {"text": text, "probabilities": [float(p) for p in prediction.probabilities]}
        for text, prediction in zip(texts, scorer.score(texts), strict=True)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
