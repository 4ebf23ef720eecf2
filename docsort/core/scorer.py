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
        logits_DC, receipts = self.logits(documents)
        temperature = self.bundle.calibration.temperature
        rows = to_probabilities(logits_DC, self.task, temperature).numpy()
        return [Prediction(row, seen) for row, seen in zip(rows, receipts, strict=True)]

    def logits(self, documents: Sequence[str]) -> tuple[torch.Tensor, tuple[Receipt, ...]]:
        """fp32 logits (D, C) on the CPU, before any temperature, and receipts."""
        if not documents:
            return torch.empty(0, len(self.labels)), ()
        windows = DocumentWindows.of(self._tokenizer.encode(documents), self._plan)
        with torch.inference_mode():
            return self._classifier(windows).cpu(), windows.receipts

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
