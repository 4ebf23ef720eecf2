"""The encoder by each runtime that could score it on a CPU, in turns, and how far answers differ.

    python -m benchmarks.runtimes --bundle PATH --data FILE.csv [--documents 270] [--rounds 3]

Prints a table. ONNX Runtime is measured where ``onnxruntime``, ``onnx`` and ``onnxscript`` are
installed; docsort needs none of them.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.cascade import bundle_with
from benchmarks.machine import describe
from docsort.core.bundle import Bundle, load_linear, load_model, read_bundle
from docsort.core.packed import pack_linear_layers, replace_linear_layers
from docsort.core.scorer import Scorer

CHUNK_DOCUMENTS = 256


def main() -> None:
    """Measure and print."""
    arguments = _parser().parse_args()
    # without a cascade, the encoder reads every document
    bundle = bundle_with(read_bundle(arguments.bundle), cascade=None)
    texts = pd.read_csv(arguments.data)["text"].tolist()
    texts = texts[:: max(1, len(texts) // arguments.documents)]
    about = describe()
    sgemm = f"sgemm {about['sgemm_gflop_per_s']} GFLOP/s"
    print(f"{about['commit']}; {about['machine']}, {about['threads']} threads, {sgemm}")
    print(f"{len(texts)} documents\n\n| runtime | documents/s | ready after, s | difference |")
    print("|---|---|---|---|")
    scorers, ready = {}, {}
    for name, change in RUNTIMES.items():
        started = time.perf_counter()
        try:
            scorers[name] = _scorer(bundle, change)
            _score(scorers[name], texts)  # all shapes once: what compiles, compiles now
        except Exception as error:  # whatever a runtime lacks here
            why = str(error).partition("\n")[0][:90]
            print(f"| {name} | none: {type(error).__name__}: {why} | | |")
            scorers.pop(name, None)
        ready[name] = time.perf_counter() - started
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    rows = {}
    for _ in range(arguments.rounds):
        for name, scorer in scorers.items():
            started = time.perf_counter()
            rows[name] = _score(scorer, texts)
            seconds[name].append(time.perf_counter() - started)
    first = next(iter(rows))
    for name in scorers:
        difference = float(np.abs(rows[name] - rows[first]).max())
        rates = sorted(len(texts) / each for each in seconds[name])
        spread = f"{median(rates):.1f} ({rates[0]:.1f} to {rates[-1]:.1f})"
        print(f"| {name} | {spread} | {ready[name]:.0f} | {difference:.1e} |")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.runtimes")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="a csv with a column text")
    parser.add_argument("--documents", type=int, default=270)
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def _scorer(bundle: Bundle, change: Callable[[Any], Any]) -> Scorer:
    classifier, tokenizer = load_model(bundle)
    with torch.inference_mode():
        encoder = change(classifier.encoder)
    del classifier.encoder
    object.__setattr__(classifier, "encoder", encoder)  # a runtime's session is no module
    return Scorer(bundle, classifier, tokenizer, load_linear(bundle))


def _score(scorer: Scorer, texts: list[str]) -> np.ndarray:
    predictions = []
    for start in range(0, len(texts), CHUNK_DOCUMENTS):
        predictions += scorer.score(texts[start : start + CHUNK_DOCUMENTS])
    return np.stack([prediction.probabilities for prediction in predictions])


def _packed(encoder: Any) -> Any:
    pack_linear_layers(encoder)
    return encoder


def _compiled(encoder: Any) -> Any:
    return torch.compile(encoder, dynamic=True)


def _int8(encoder: Any) -> Any:
    return torch.ao.quantization.quantize_dynamic(encoder, {nn.Linear}, dtype=torch.qint8)


class _Int8Linear(nn.Module):
    """A scale for each token and each output, so that a document's answer is its own."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight_NK = linear.weight.detach()
        self._scale_N = weight_NK.abs().amax(1) / 127
        self._weight_KN = (weight_NK / self._scale_N[:, None]).round().to(torch.int8).t()
        self._bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        rows_MK = inputs.reshape(-1, inputs.shape[-1])
        scale_M1 = rows_MK.abs().amax(1, keepdim=True).clamp_(min=1e-8).div_(127)
        product_MN = torch._int_mm((rows_MK / scale_M1).round_().to(torch.int8), self._weight_KN)
        scaled_MN = product_MN.float().mul_(scale_M1).mul_(self._scale_N).add_(self._bias)
        return scaled_MN.view(*inputs.shape[:-1], -1)


def _int8_by_token(encoder: Any) -> Any:
    replace_linear_layers(encoder, _Int8Linear)
    return encoder


def _onnx(encoder: Any) -> Any:
    import onnxruntime

    class States(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.encoder(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state

    example = (torch.full((2, 16), 1000), torch.ones(2, 16, dtype=torch.long))
    batch, tokens = torch.export.Dim("batch", min=1), torch.export.Dim("tokens", min=2)
    shapes = {name: {0: batch, 1: tokens} for name in ("input_ids", "attention_mask")}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode(False), torch.no_grad():
        file = str(Path(folder) / "encoder.onnx")
        torch.onnx.export(
            States().eval(),
            example,
            file,
            input_names=["input_ids", "attention_mask"],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
        session = onnxruntime.InferenceSession(file, options)

    def run(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        return SimpleNamespace(last_hidden_state=torch.from_numpy(session.run(None, inputs)[0]))

    return run


RUNTIMES: dict[str, Callable[[Any], Any]] = {
    "torch": lambda encoder: encoder,
    "torch, oneDNN's packed products (docsort's)": _packed,
    "torch.compile(dynamic=True)": _compiled,
    "ONNX Runtime, fp32": _onnx,
    "torch, int8, a scale a batch": _int8,
    "torch, int8, a scale a token": _int8_by_token,
}

if __name__ == "__main__":
    main()
