"""The columns that say what a model predicts, the same in predictions.parquet and in scored files.

Shapes: D documents, C classes. Scores nothing.
"""

import numpy as np
import pyarrow as pa

from docsort.core.scorer import Scorer


def prediction_columns(
    scorer: Scorer, probabilities_DC: np.ndarray, tokens_D: np.ndarray, tokens_read_D: np.ndarray
) -> pa.Table:
    """predicted, score (the highest probability), probability/LABEL …, tokens, tokens_read.

    ``predicted`` is a label, or for multi_label a list. A document without a token has nothing to
    be judged by: its ``predicted``, ``score`` and probabilities are null.
    """
    empty_D = tokens_D == 0
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
    columns["tokens"] = pa.array(tokens_D, pa.int64())
    columns["tokens_read"] = pa.array(tokens_read_D, pa.int64())
    return pa.table(columns)
