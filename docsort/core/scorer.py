"""A bundle in memory: documents in, predictions out. Knows no HTTP and no tables."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

_PROBE = "document"


@dataclass(frozen=True)
class Prediction:
    """One document's label probabilities (C,) in fp32, and what was read of it."""

    probabilities: np.ndarray
    receipt: Receipt


@dataclass(frozen=True)
class DocumentRead:
    """What the models see of one document.

    Attributes:
        windows: token ids of those that the encoder is asked about; none where it isn't asked.
        receipt: what was read of it.
        evidence_C: fp32, the linear model's, where there is one.
    """

    windows: tuple[list[int], ...]
    receipt: Receipt
    evidence_C: torch.Tensor | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens that the encoder computes, padding apart."""
        return sum(map(len, self.windows))


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

    def count_tokens(self, documents: Sequence[str]) -> list[int]:
        """Tokens in each document, as in its receipt."""
        return self._tokenizer.count_tokens(documents)

    def score(self, documents: Sequence[str]) -> list[Prediction]:
        """Predictions of the documents, in their order.

        All are held in memory at once: give thousands at the most. A document without a single
        token is scored as what an empty text scores; its receipt says 0 tokens.
        """
        return self.predict(self.read(documents))

    def read(self, documents: Sequence[str]) -> list[DocumentRead]:
        """The first step of ``score``: all that is done with the documents' words."""
        if self._linear is None or not documents:
            evidence: list[torch.Tensor | None] = [None] * len(documents)
        else:
            evidence = list(self._linear.evidence(documents, self.task))
        token_ids = self._tokenizer.encode(documents)
        return [self._read(ids, own) for ids, own in zip(token_ids, evidence, strict=True)]

    def predict(self, documents: Sequence[DocumentRead]) -> list[Prediction]:
        """The second step of ``score``: the windows through the encoder."""
        temperature = self.bundle.calibration.temperature
        rows = to_probabilities(self._logits(documents), self.task, temperature).numpy()
        return [
            Prediction(row, document.receipt) for row, document in zip(rows, documents, strict=True)
        ]

    def probe(self) -> None:
        """Score a word by all that there is, whatever the linear model is sure of.

        Raises whatever scoring raises where it is broken, for every document alike.
        """
        (document,) = self.read([_PROBE])
        windows = DocumentWindows.of(list(self._tokenizer.encode([_PROBE])), self._plan)
        self.predict([replace(document, windows=windows.token_ids)])

    def logits(self, documents: Sequence[str]) -> tuple[torch.Tensor, tuple[Receipt, ...]]:
        """fp32 logits (D, C) on the CPU, before any temperature, and receipts."""
        read = self.read(documents)
        return self._logits(read), tuple(document.receipt for document in read)

    def _read(self, token_ids: list[int], evidence_C: torch.Tensor | None) -> DocumentRead:
        cascade = self.bundle.calibration.cascade
        if cascade and evidence_C is not None and evidence_C.max().exp() >= cascade.threshold:
            receipt = Receipt(len(token_ids), len(token_ids), 0, "linear")
            return DocumentRead((), receipt, evidence_C)
        windows = DocumentWindows.of([token_ids], self._plan)
        return DocumentRead(windows.token_ids, windows.receipts[0], evidence_C)

    def _logits(self, documents: Sequence[DocumentRead]) -> torch.Tensor:
        calibration = self.bundle.calibration
        asked = [document for document in documents if document.windows]
        asked_D = torch.tensor([bool(document.windows) for document in documents])
        evidence = [d.evidence_C for d in documents if d.evidence_C is not None]
        if evidence:
            weight_D = torch.where(asked_D, calibration.linear_weight, calibration.temperature)
            logits_DC = weight_D[:, None] * torch.stack(evidence)
        else:
            logits_DC = torch.zeros(len(documents), len(self.labels))
        if asked:
            windows = DocumentWindows(
                tuple(window for document in asked for window in document.windows),
                tuple(d for d, document in enumerate(asked) for _ in document.windows),
                tuple(document.receipt for document in asked),
            )
            with torch.inference_mode():
                logits_DC[asked_D] += self._classifier(windows).cpu()
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
    if device.startswith("cuda:"):
        last = torch.cuda.device_count() - 1
        if int(device.removeprefix("cuda:")) > last:
            raise ConfigError(
                f"device={device}: GPUs that torch can use on this machine: {last + 1}, the last "
                f"is cuda:{last}; give one of them, or cpu"
            )
