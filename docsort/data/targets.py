"""Label names to the numbers that losses and metrics take. Sees no text."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from docsort.core.errors import DataError
from docsort.core.probabilities import Task
from docsort.data.label_names import likeness_told
from docsort.data.naming import named


def as_targets(
    labels: Sequence[str] | Sequence[Sequence[str]], names: Sequence[str], task: Task
) -> npt.NDArray[np.int64] | npt.NDArray[np.bool_]:
    """Class indices, int64 (D,), for one label a document; bool (D, C) for several.

    Raises:
        DataError: a label that is not among ``names``, or lists where one label is wanted.
    """
    class_of = {name: c for c, name in enumerate(names)}
    if task == "single_label" and not all(isinstance(each, str) for each in labels):
        raise DataError(
            "the labels are lists, but the model gives one label a document (single_label); write "
            "one label in each row"
        )
    listed = [[each] if isinstance(each, str) else list(each) for each in labels]
    unknown = sorted({label for own in listed for label in own} - set(class_of))
    if unknown:
        raise DataError(
            f"the model does not know {len(unknown)} of the labels: {named(unknown)}; it was "
            f"trained on {named(names)}.{likeness_told(unknown, names)} "
            "Is data.label_column the right column?"
        )
    if task == "single_label":
        return np.array([class_of[own[0]] for own in listed], dtype=np.int64)
    targets_DC = np.zeros((len(listed), len(class_of)), dtype=np.bool_)
    for d, own in enumerate(listed):
        targets_DC[d, [class_of[label] for label in own]] = True
    return targets_DC
