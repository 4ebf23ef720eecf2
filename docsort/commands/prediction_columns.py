"""The columns that say what a model predicts, the same in predictions.parquet and in scored files.

Shapes: D documents, C classes. Scores nothing.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from docsort.core.scorer import Scorer
from docsort.core.windows import Receipt


def prediction_columns(
    scorer: Scorer, probabilities_DC: np.ndarray, receipts: Sequence[Receipt]
) -> pa.Table:
    """predicted, score (the highest probability), probability/LABEL …, and of the receipts tokens,
    tokens_read, answered_by.

    ``predicted`` is a label, or for multi_label a list. A document without a token has nothing to
    be judged by: its ``predicted``, ``score`` and probabilities are null.
    """
    empty_D = np.array([receipt.tokens == 0 for receipt in receipts])
    decided = [
        None if empty else scorer.decide(row)
        for row, empty in zip(probabilities_DC, empty_D, strict=True)
    ]
    if scorer.task == "single_label":
        predicted = pa.array([names[0] if names else None for names in decided], pa.string())
    else:
        predicted = pa.array(decided, pa.list_(pa.string()))
    columns = {
        "predicted": predicted,
        "score": pa.array(probabilities_DC.max(axis=1), pa.float32(), mask=empty_D),
    }
    for c, label in enumerate(scorer.labels):
        values = np.ascontiguousarray(probabilities_DC[:, c])
        columns[f"probability/{label}"] = pa.array(values, pa.float32(), mask=empty_D)
    columns["tokens"] = pa.array([receipt.tokens for receipt in receipts], pa.int64())
    columns["tokens_read"] = pa.array([receipt.tokens_read for receipt in receipts], pa.int64())
    columns["answered_by"] = pa.array([receipt.answered_by for receipt in receipts], pa.string())
    return pa.table(columns)
