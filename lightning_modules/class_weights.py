"""How much each label counts in the loss, from the setting and the training documents' counts.

Against imbalance: ``balanced`` gives every label the same say, whatever its share of the documents.
"""

from collections.abc import Mapping, Sequence

import torch

from docsort.core.errors import ConfigError
from docsort.core.probabilities import Task
from docsort.data.naming import named

ClassWeights = str | Mapping[str, float] | None  # the only word is "balanced": settings.py


def make_class_weights(
    setting: ClassWeights,
    labels: Sequence[str],
    counts: Sequence[int],
    num_documents: int,
    task: Task,
) -> torch.Tensor | None:
    """Fp32 (C,) for the loss, in the order of ``labels``; None leaves it as it is.

    Single-label: what a document of each label counts, ``documents / (labels * count)`` when
    balanced, as scikit-learn's ``class_weight``. Multi-label: what having a label counts against
    not having it, ``(documents - count) / count`` when balanced (torch's ``pos_weight``).
    ``counts`` are training documents a label, of ``num_documents`` in all.

    Raises:
        ConfigError: a weight for a label that there is not.
    """
    if setting is None:
        return None
    if isinstance(setting, str):
        return _balanced(torch.tensor(counts, dtype=torch.float), num_documents, task)
    given = {str(label): float(weight) for label, weight in setting.items()}
    if unknown := sorted(set(given) - set(labels)):
        raise ConfigError(
            f"model.class_weights names {len(unknown)} labels that no training document has: "
            f"{named(unknown)}; there are {named(labels)}. A label that is not named weighs 1."
        )
    return torch.tensor([given.get(label, 1.0) for label in labels])


def _balanced(counts_C: torch.Tensor, num_documents: int, task: Task) -> torch.Tensor:
    if task == "single_label":
        return num_documents / (len(counts_C) * counts_C)
    # a label that every document has leaves nothing to weigh it against
    return ((num_documents - counts_C) / counts_C).clamp(min=1 / num_documents)
