"""Labels that look wrong to a model that never saw them: out-of-fold, by cleanlab's rules.

Confident learning (Northcutt et al., JAIR 2021) on the linear baseline's probabilities. With 3 % of
labels changed at random, its first finds hold 94 % of them on R8, where the baseline is right on
96 % of the documents, but 47 % on Ohsumed, where it is right on 60 %: hence ``accuracy`` beside.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from docsort.core.probabilities import Task, decisions
from docsort.data.labels import Ints, label_pairs
from docsort.data.out_of_fold import out_of_fold
from docsort.data.targets import as_targets

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Suspect:
    """A document whose label looks wrong: its position, its labels, and those the model gives."""

    position: int
    given: tuple[str, ...]
    suggested: tuple[str, ...]


@dataclass(frozen=True)
class LabelErrors:
    """Suspects, the likeliest errors first, and how often the model is right when it's unseen.

    ``accuracy`` is None where nothing could be learned, and so nothing be suspected.
    """

    suspects: tuple[Suspect, ...]
    accuracy: float | None


def suspected_label_errors(dataset: Dataset, cluster_D: Ints, task: Task) -> LabelErrors:
    """Copies (equal ``cluster_D``) are in one fold, so that they never vouch for each other.

    Nothing can be learned where all documents are labelled alike, as a sample of a large table may
    be, or where no label has two different texts.
    """
    names = label_pairs(dataset).names
    labels = dataset["label"][:]
    truth = as_targets(labels, names, task)
    alike = (truth == truth[0]).all()
    probabilities_DC = None if alike else out_of_fold(dataset, cluster_D, names, task)
    if probabilities_DC is None:
        return LabelErrors((), accuracy=None)
    answer = decisions(probabilities_DC, task)
    wrong_D = answer != truth if task == "single_label" else (answer != truth).any(axis=1)
    ranked = _ranked_issues(truth, probabilities_DC, task)
    suspects = tuple(
        Suspect(int(at), _names(truth[at], names), _names(answer[at], names))
        for at in ranked
        if wrong_D[at]
    )
    return LabelErrors(suspects, float(1 - wrong_D.mean()))


def _ranked_issues(
    truth: npt.NDArray[np.int64] | npt.NDArray[np.bool_], probabilities_DC: Floats, task: Task
) -> Ints:
    """Positions, the least confident first. Several labels are as many yes-or-no questions."""
    # Here, not above: cleanlab takes seconds to import.
    from cleanlab.filter import find_label_issues

    options = {"filter_by": "low_self_confidence", "n_jobs": 1}
    if task == "single_label":
        issue_D = find_label_issues(truth, probabilities_DC, **options)
        confidence_D = probabilities_DC[np.arange(len(truth)), truth]
    else:
        confidence_DC = np.where(truth, probabilities_DC, 1 - probabilities_DC)
        issue_DC = np.zeros(truth.shape, dtype=bool)
        for c, truth_D in enumerate(truth.T.astype(np.int64)):
            if truth_D.all():
                continue  # cleanlab refuses a question with one answer
            yes_D = probabilities_DC[:, c]
            issue_DC[:, c] = find_label_issues(truth_D, np.stack([1 - yes_D, yes_D], 1), **options)
        issue_D, confidence_D = issue_DC.any(axis=1), confidence_DC.min(axis=1)
    positions = np.flatnonzero(issue_D)
    return positions[np.argsort(confidence_D[positions], kind="stable")]


def _names(target: npt.NDArray[np.int64] | np.int64, names: tuple[str, ...]) -> tuple[str, ...]:
    if np.ndim(target) == 0:
        return (names[int(target)],)
    return tuple(names[c] for c in np.flatnonzero(target))
