"""What the linear model says of documents that it has not seen: cross-fitting, on every document.

Shapes: D documents, C classes.
"""

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from docsort.core.probabilities import Task
from docsort.data.baseline import LinearBaseline
from docsort.data.labels import Ints, label_pairs
from docsort.data.splits import share_out

NUM_FOLDS = 3


def out_of_fold(
    dataset: Dataset, cluster_D: Ints, names: tuple[str, ...], task: Task
) -> npt.NDArray[np.float64] | None:
    """(D, C): each document's probabilities from a model that saw neither it nor its copies.

    Documents of the same ``cluster_D`` are copies. Columns are in the order of ``names``. None
    where one fold holds all documents (no label has two different texts).
    Raises DataError: no word to learn from.
    """
    shares = {str(fold): 1 / NUM_FOLDS for fold in range(NUM_FOLDS)}
    folds = share_out(label_pairs(dataset), cluster_D, shares, seed=0)
    labels = dataset["label"][:]
    probabilities_DC = np.zeros((len(dataset), len(names)))
    for fold in folds.values():
        rest = np.setdiff1d(np.arange(len(dataset)), fold)
        if not len(rest):
            return None
        texts = dataset.select(rest)["text"][:]
        model = LinearBaseline.fit(texts, [labels[at] for at in rest], names, task)
        probabilities_DC[fold] = model.probabilities(dataset.select(fold)["text"][:])
    return probabilities_DC
