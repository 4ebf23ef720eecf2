"""A bundle in memory: documents in, predictions out. Knows no HTTP and no tables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from docsort.core.bundle import Bundle, load_linear, load_model, read_bundle
from docsort.core.classifier import DocumentClassifier
from docsort.core.errors import ConfigError
from docsort.core.linear import LinearModel
from docsort.core.probabilities import Task, decide, to_probabilities
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import DocumentWindows, Receipt


@dataclass(frozen=True)
class Prediction:
    """One document's label probabilities (C,) in fp32, and what was read of it."""

    probabilities: np.ndarray
    receipt: Receipt


@dataclass(frozen=True)
class DocumentsRead:
    """What the models see of D documents: the encoder windows, the linear model fp32 (D, C)."""

    windows: DocumentWindows
    evidence_DC: torch.Tensor | None = None


class Scorer:
    """Turns documents into predictions, in fp32, the same alone as in any company."""

    def __init__(
        self,
        bundle: Bundle,
        classifier: DocumentClassifier,
        tokenizer: DocumentTokenizer,
        linear: LinearModel | None = None,
    ) -> None:
        """``linear`` adds its evidence to the logits, with the weight of the calibration."""
        self.bundle = bundle
        self._linear = linear
        self._classifier = classifier
        self._tokenizer = tokenizer
        self._plan = bundle.manifest.plan(tokenizer)

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> "Scorer":
        """Read a bundle. Raises BundleError, or ConfigError where the device is not to be had."""
        check_device(device)
        bundle = read_bundle(path)
        classifier, tokenizer = load_model(bundle)
        return cls(bundle, classifier, tokenizer, load_linear(bundle)).to(device)

    def to(self, device: str) -> "Scorer":
        """This scorer with its classifier on another device. Raises ConfigError."""
        check_device(device)
        self._classifier.to(device)
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        return self.bundle.labels

    @property
    def task(self) -> Task:
        return self.bundle.task

    def score(self, documents: Sequence[str]) -> list[Prediction]:
        """Predictions of the documents, in their order.

        All are held in memory at once: give thousands at the most. A document without a single
        token is scored as what an empty text scores; its receipt says 0 tokens.
        """
        return self.predict(self.read(documents))

    def read(self, documents: Sequence[str]) -> DocumentsRead:
        """The first step of ``score``: all that is done with the documents' words."""
        windows = DocumentWindows.of(self._tokenizer.encode(documents), self._plan)
        if self._linear is None or not documents:
            return DocumentsRead(windows)
        return DocumentsRead(windows, self._linear.evidence(documents, self.task))

    def predict(self, documents: DocumentsRead) -> list[Prediction]:
        """The second step of ``score``: the windows through the encoder."""
        temperature = self.bundle.calibration.temperature
        rows = to_probabilities(self._logits(documents), self.task, temperature).numpy()
        receipts = documents.windows.receipts
        return [Prediction(row, seen) for row, seen in zip(rows, receipts, strict=True)]

    def logits(self, documents: Sequence[str]) -> tuple[torch.Tensor, tuple[Receipt, ...]]:
        """fp32 logits (D, C) on the CPU, before any temperature, and receipts."""
        read = self.read(documents)
        return self._logits(read), read.windows.receipts

    def _logits(self, documents: DocumentsRead) -> torch.Tensor:
        if not documents.windows.receipts:
            return torch.empty(0, len(self.labels))
        with torch.inference_mode():
            logits_DC: torch.Tensor = self._classifier(documents.windows).cpu()
        if documents.evidence_DC is None:
            return logits_DC
        return logits_DC + self.bundle.calibration.linear_weight * documents.evidence_DC

    def decide(self, probabilities_C: np.ndarray) -> list[str]:
        """The labels that a document's probabilities amount to, highest probability first."""
        thresholds = self.bundle.calibration.thresholds
        return [self.labels[c] for c in decide(probabilities_C, self.task, thresholds)]


def check_device(device: str) -> None:
    """Raise ConfigError for what is no device, or is not to be had here."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise ConfigError(f"device={device} is not accepted; give cpu, cuda or cuda:N")
    if device != "cpu" and not torch.cuda.is_available():
        raise ConfigError(f"device={device}: torch can use no GPU on this machine; use cpu")
