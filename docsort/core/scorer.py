"""A bundle in memory: documents in, predictions out. Knows no HTTP and no tables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from docsort.core.bundle import Bundle, load_model, read_bundle
from docsort.core.classifier import DocumentClassifier
from docsort.core.errors import ConfigError
from docsort.core.probabilities import Task, decide, to_probabilities
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import DocumentWindows, Receipt


@dataclass(frozen=True)
class Prediction:
    """One document's label probabilities (C,) in fp32, and what was read of it."""

    probabilities: np.ndarray
    receipt: Receipt


class Scorer:
    """Turns documents into predictions, in fp32, the same alone as in any company."""

    def __init__(
        self, bundle: Bundle, classifier: DocumentClassifier, tokenizer: DocumentTokenizer
    ) -> None:
        self.bundle = bundle
        self._classifier = classifier
        self._tokenizer = tokenizer
        self._plan = bundle.manifest.plan(tokenizer)

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> "Scorer":
        """Read a bundle. Raises BundleError, or ConfigError where the device is not to be had."""
        check_device(device)
        bundle = read_bundle(path)
        classifier, tokenizer = load_model(bundle)
        return cls(bundle, classifier, tokenizer).to(device)

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

    def read(self, documents: Sequence[str]) -> DocumentWindows:
        """The first step of ``score``: documents to tokens, in windows."""
        return DocumentWindows.of(self._tokenizer.encode(documents), self._plan)

    def predict(self, windows: DocumentWindows) -> list[Prediction]:
        """The second step of ``score``: the windows' documents through the model."""
        temperature = self.bundle.calibration.temperature
        rows = to_probabilities(self._logits(windows), self.task, temperature).numpy()
        return [Prediction(row, seen) for row, seen in zip(rows, windows.receipts, strict=True)]

    def logits(self, documents: Sequence[str]) -> tuple[torch.Tensor, tuple[Receipt, ...]]:
        """fp32 logits (D, C) on the CPU, before any temperature, and receipts."""
        windows = self.read(documents)
        return self._logits(windows), windows.receipts

    def _logits(self, windows: DocumentWindows) -> torch.Tensor:
        if not windows.receipts:
            return torch.empty(0, len(self.labels))
        with torch.inference_mode():
            logits_DC: torch.Tensor = self._classifier(windows).cpu()
        return logits_DC

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
