"""The settings of the `model` group, checked. Mirrors conf/model/*.yaml; loads nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, get_args, get_origin, get_type_hints

from docsort.core.errors import ConfigError
from docsort.core.pooling import make_pooling
from docsort.core.tokens import DocumentTokenizer
from docsort.core.windows import WindowPlan

WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    Mapping: "a number for each label",
    type(None): "null",
}


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW with linear warm-up and linear decay.

    Attributes:
        lr: peak learning rate of the encoder.
        head_lr: peak learning rate of the classification layer; null for the encoder's, or many
            times that where the layer begins random (RANDOM_FACTOR in head_start.py).
        weight_decay: of weights only; biases and norms have none.
        warmup_share: of all optimizer steps, 0 to 1.
    """

    lr: float
    head_lr: float | None = None
    weight_decay: float = 0.01
    warmup_share: float = 0.1

    def __post_init__(self) -> None:
        _check_types(self, "optimizer.")
        _check("optimizer.lr", self.lr, self.lr > 0, "a number over 0")
        head = self.head_lr
        _check("optimizer.head_lr", head, head is None or head > 0, "null or a number over 0")
        _check("optimizer.weight_decay", self.weight_decay, self.weight_decay >= 0, "0 or more")
        share = self.warmup_share
        _check("optimizer.warmup_share", share, 0 <= share <= 1, "a share from 0 to 1")


@dataclass(frozen=True)
class CascadeSettings:
    """When the linear model answers without the encoder; see docsort/report/cascade.py.

    Attributes:
        max_extra_error: share of all documents that this may add to the wrong ones; null: never.
    """

    max_extra_error: float | None = None

    def __post_init__(self) -> None:
        _check_types(self, "cascade.")
        given = self.max_extra_error
        fits = given is None or 0 < given < 1
        _check("cascade.max_extra_error", given, fits, "null or a share over 0 and below 1")


@dataclass(frozen=True)
class ModelSettings:
    """Which encoder, how documents are laid out for it, and how it learns.

    ``pretrained``, ``sha256`` and ``trust_remote_code``: see docsort/core/pretrained.py.
    ``license`` is the pretrained model's, as an SPDX name, for the model card. ``window``,
    ``overlap`` and ``max_windows``: see docsort/core/windows.py. ``dropout`` acts on the
    document's vector. ``class_weights``: see class_weights.py; which labels there are is not known
    here. ``linear``: whether the bundle adds a linear model's evidence (docsort/core/linear.py).
    """

    pretrained: str
    sha256: str | None
    license: str | None
    window: int
    overlap: int
    max_windows: int
    pooling: str
    dropout: float
    attention_dropout: float
    label_smoothing: float
    trust_remote_code: bool = False
    class_weights: str | Mapping[str, float] | None = None
    linear: bool = True
    cascade: CascadeSettings = field(default_factory=CascadeSettings)
    optimizer: OptimizerSettings = field(default_factory=lambda: OptimizerSettings(5e-5))

    def __post_init__(self) -> None:
        _check_types(self)
        make_pooling(self.pooling)
        for name in ("dropout", "attention_dropout", "label_smoothing"):
            value = getattr(self, name)
            _check(name, value, 0 <= value < 1, "a number from 0 to below 1")
        self._check_class_weights()
        # the exact limit needs the tokenizer's special tokens: WindowPlan checks again
        fits = 0 <= self.overlap < self.window
        _check(
            "overlap", self.overlap, fits, f"a number from 0 to below model.window={self.window}"
        )
        _check("max_windows", self.max_windows, self.max_windows >= 1, "a number from 1 up")

    def _check_class_weights(self) -> None:
        given = self.class_weights
        accepted = "null, balanced, or a number over 0 for each label, as in {spam: 3, ham: 1}"
        if isinstance(given, str):
            _check("class_weights", given, given == "balanced", accepted)
        for label, weight in given.items() if isinstance(given, Mapping) else ():
            fits = type(weight) in (int, float) and isfinite(weight) and weight > 0
            _check("class_weights", f"{{{label}: {weight}}}", fits, accepted)

    def plan(self, tokenizer: DocumentTokenizer) -> WindowPlan:
        """How documents are laid out. Raises ConfigError where overlap and window don't fit."""
        return WindowPlan(
            self.window, self.overlap, self.max_windows, tokenizer.prefix, tokenizer.suffix
        )

    @classmethod
    def of(
        cls, optimizer: Mapping[str, Any], cascade: Mapping[str, Any], **others: Any
    ) -> "ModelSettings":
        """From the resolved `model` group. Raises TypeError for a key that it doesn't have."""
        return cls(
            **others,
            optimizer=OptimizerSettings(**optimizer),
            cascade=CascadeSettings(**cascade),
        )


def _check_types(settings: object, prefix: str = "") -> None:
    """Hydra hands over whatever was typed: ``model.window=abc`` is a string."""
    for name, kind in get_type_hints(type(settings)).items():
        accepted = tuple(get_origin(each) or each for each in get_args(kind) or (kind,))
        value = getattr(settings, name)
        fits = isinstance(value, accepted) and (bool in accepted or not isinstance(value, bool))
        if not fits and not (float in accepted and type(value) is int):
            names = " or ".join(WORDS.get(each, each.__name__) for each in accepted)
            raise ConfigError(f"model.{prefix}{name}={value} is not accepted; give {names}")


def _check(name: str, value: object, ok: bool, accepted: str) -> None:
    if not ok:
        raise ConfigError(f"model.{name}={value} is not accepted; give {accepted}.")
