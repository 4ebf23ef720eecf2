"""A bundle in memory: documents in, predictions out. Knows no HTTP and no tables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import torch

from docsort.core.bundle import Bundle, load_linear, load_model, read_bundle
from docsort.core.classifier import DocumentClassifier
from docsort.core.errors import ConfigError
from docsort.core.linear import LinearModel
from docsort.core.packed import pack_linear_layers
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
    """What the models see of D documents.

    Attributes:
        windows: of those that the encoder is asked about, in their order.
        asked_D: bool, which those are.
        receipts: one a document, D in all.
        evidence_DC: fp32, the linear model's, where there is one.
    """

    windows: DocumentWindows
    asked_D: torch.Tensor
    receipts: tuple[Receipt, ...]
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
        """``linear`` adds its evidence to the logits, with the weight of the calibration; where the
        calibration has a cascade, it answers alone what it is sure of.
        """
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
        """This scorer, made ready to score on a device, once and for all. Raises ConfigError.

        Its classifier can't be trained, saved or moved any more.
        """
        check_device(device)
        self._classifier.to(device)
        if device == "cpu":
            pack_linear_layers(self._classifier.encoder)
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
        evidence_DC = None
        if self._linear is not None and documents:
            evidence_DC = self._linear.evidence(documents, self.task)
        asked_D = self._asked(len(documents), evidence_DC)
        asked = asked_D.tolist()
        token_ids = self._tokenizer.encode(documents)
        windows = DocumentWindows.of(list(compress(token_ids, asked)), self._plan)
        by_encoder = iter(windows.receipts)
        receipts = tuple(
            next(by_encoder) if is_asked else Receipt(len(ids), len(ids), 0, "linear")
            for ids, is_asked in zip(token_ids, asked, strict=True)
        )
        return DocumentsRead(windows, asked_D, receipts, evidence_DC)

    def predict(self, documents: DocumentsRead) -> list[Prediction]:
        """The second step of ``score``: the windows through the encoder."""
        temperature = self.bundle.calibration.temperature
        rows = to_probabilities(self._logits(documents), self.task, temperature).numpy()
        return [Prediction(row, seen) for row, seen in zip(rows, documents.receipts, strict=True)]

    def logits(self, documents: Sequence[str]) -> tuple[torch.Tensor, tuple[Receipt, ...]]:
        """fp32 logits (D, C) on the CPU, before any temperature, and receipts."""
        read = self.read(documents)
        return self._logits(read), read.receipts

    def _asked(self, num_documents: int, evidence_DC: torch.Tensor | None) -> torch.Tensor:
        """Bool (D,): which documents the linear model isn't sure enough of to answer alone."""
        cascade = self.bundle.calibration.cascade
        if cascade is None or evidence_DC is None:
            return torch.ones(num_documents, dtype=torch.bool)
        return evidence_DC.amax(dim=1).exp() < cascade.threshold

    def _logits(self, documents: DocumentsRead) -> torch.Tensor:
        calibration = self.bundle.calibration
        evidence_DC, asked_D = documents.evidence_DC, documents.asked_D
        if evidence_DC is None:
            logits_DC = torch.zeros(len(documents.receipts), len(self.labels))
        else:
            weight_D = torch.where(asked_D, calibration.linear_weight, calibration.temperature)
            logits_DC = weight_D[:, None] * evidence_DC
        if documents.windows.num_documents:
            with torch.inference_mode():
                logits_DC[asked_D] += self._classifier(documents.windows).cpu()
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
