"""What a run learns from, read and checked before anything heavy starts. Trains nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from docsort.commands.hydra_verbs import job_overrides
from docsort.commands.provenance import provenance
from docsort.core.bundle import Manifest
from docsort.core.errors import ConfigError
from docsort.core.pretrained import Pretrained, check_window, load_pretrained
from docsort.core.windows import WindowPlan
from docsort.data.corpus import Corpus
from docsort.data.labels import label_pairs
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings
from lightning_modules.class_weights import make_class_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.settings import ModelSettings


@dataclass(frozen=True)
class RunInputs:
    """Settings, documents and pretrained weights, and what follows from them.

    ``class_weights``: fp32 (C,), or None.
    """

    seed: int
    data: DataSettings
    model: ModelSettings
    pretrained: Pretrained
    plan: WindowPlan
    corpus: Corpus
    manifest: Manifest
    class_weights: torch.Tensor | None

    @classmethod
    def read(
        cls, config: Mapping[str, Any], data: DataSettings, model: ModelSettings
    ) -> "RunInputs":
        """The corpus last: it takes the longest. Raises ConfigError, DataError."""
        pretrained = _pretrained(model)
        check_window(model.window, pretrained.encoder)
        plan = model.plan(pretrained.tokenizer)
        corpus = load_corpus(data, config["seed"], pretrained.tokenizer.count_tokens)
        if corpus.task == "multi_label" and (limit := model.cascade.max_extra_error):
            raise ConfigError(
                f"model.cascade.max_extra_error={limit} is for documents with one label each; "
                "give null where they may have several"
            )
        manifest = Manifest(
            task=corpus.task,
            labels=corpus.labels,
            window=model.window,
            overlap=model.overlap,
            max_windows=model.max_windows,
            pooling=model.pooling,
            provenance=provenance(corpus, pretrained, config, job_overrides()),
        )
        weights = _class_weights(corpus, model)
        return cls(config["seed"], data, model, pretrained, plan, corpus, manifest, weights)

    def learning_from(self, corpus: Corpus) -> "RunInputs":
        """The same with other documents of the same labels, at the pretrained weights again."""
        return replace(
            self,
            corpus=corpus,
            pretrained=_pretrained(self.model),
            class_weights=_class_weights(corpus, self.model),
        )

    def module(self) -> DocumentClassification:
        """What trains ``pretrained``; once, since that changes it."""
        return DocumentClassification(
            self.pretrained, self.manifest, self.model, self.class_weights
        )

    def batches(self) -> DocumentDataModule:
        """Of the corpus."""
        return DocumentDataModule(
            self.corpus, self.pretrained.tokenizer, self.plan, self.data.batch_size, self.seed
        )


def label_counts(corpus: Corpus) -> tuple[int, ...]:
    """Training documents of each label."""
    pairs = label_pairs(corpus.train)
    counts = dict(zip(pairs.names, pairs.counts().tolist(), strict=True))
    return tuple(counts.get(label, 0) for label in corpus.labels)


def _pretrained(model: ModelSettings) -> Pretrained:
    return load_pretrained(
        model.pretrained, model.sha256, model.attention_dropout, model.trust_remote_code
    )


def _class_weights(corpus: Corpus, model: ModelSettings) -> torch.Tensor | None:
    return make_class_weights(
        model.class_weights, corpus.labels, label_counts(corpus), len(corpus.train), corpus.task
    )
