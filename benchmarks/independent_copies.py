"""The audit's counts of copies beside a count that shares no code with it.

    python -m benchmarks.independent_copies [--data ../shared/data/r8]

Here every document is compared with every other one: pandas groups folded texts, and scikit-learn's
word trigrams give each pair's true Jaccard similarity. The audit has MinHash propose the pairs.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer

from docsort.data.audit import Audit, audit
from docsort.data.corpus import Corpus
from docsort.data.load import load_corpus
from docsort.data.settings import DataSettings

THRESHOLD = 0.7
BLOCK = 500


def main() -> None:
    """Print both counts; ends with status 1 where they differ."""
    parser = argparse.ArgumentParser("python -m benchmarks.independent_copies")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/r8"))
    folder = parser.parse_args().data
    train, test = (str(folder / f"{name}.csv") for name in ("train", "test"))
    corpus = load_corpus(DataSettings(source="table", name="copies", train=train, test=test), 1)
    counted, theirs = count(corpus), of_audit(audit(corpus, max_rows=10**9))
    print(json.dumps({"independent": counted, "audit": theirs}, indent=2))
    sys.exit(counted != theirs)


def of_audit(found: Audit) -> dict[str, Any]:
    """What is counted here, as the audit has it."""
    copies = found.copies
    return {
        "exact": copies.exact,
        "near": copies.near,
        "leaked_rows": list(found.leaked_rows()),
        "nearly_leaked": copies.leaks["test"].near.count,
        "conflicts": copies.conflicts.count,
    }


def count(corpus: Corpus) -> dict[str, Any]:
    """The same by comparing everything with everything."""
    splits = [split.to_pandas().assign(split=name) for name, split in corpus.splits().items()]
    rows = pd.concat(splits, ignore_index=True)
    rows["folded"] = rows["text"].str.lower().str.split().str.join(" ")
    alike = _alike(rows["text"])
    rows["cluster"] = connected_components(alike, directed=False)[1]
    is_test = (rows["split"] == "test").to_numpy()
    elsewhere = set(rows.loc[~is_test, "folded"])
    leaked = rows["folded"].isin(elsewhere) & is_test
    nearly = np.asarray(alike[:, ~is_test].sum(axis=1)).ravel() > 0
    labels_of = rows.groupby("folded")["label"].transform("nunique")
    return {
        "exact": _superfluous(rows, "folded"),
        "near": _superfluous(rows, "cluster"),
        "leaked_rows": rows.loc[leaked, "row"].tolist(),
        "nearly_leaked": int((nearly & is_test & ~leaked).sum()),
        "conflicts": int((labels_of > 1).sum()),
    }


def _superfluous(rows: pd.DataFrame, key: str) -> dict[str, int]:
    return {
        name: int(len(own) - own[key].nunique())
        for name, own in ((name, rows[rows["split"] == name]) for name in ("train", "val", "test"))
    }


def _alike(texts: pd.Series) -> Any:
    """Sparse (D, D): pairs of documents at or over the threshold, or equal."""
    from scipy.sparse import csr_matrix, vstack

    trigrams = CountVectorizer(
        ngram_range=(3, 3), binary=True, token_pattern=r"[^\W_]+", dtype=np.int32
    ).fit_transform(texts)
    sizes = np.asarray(trigrams.sum(axis=1)).ravel()
    blocks = []
    for start in range(0, len(sizes), BLOCK):
        shared = (trigrams[start : start + BLOCK] @ trigrams.T).tocoo()
        union = sizes[start + shared.row] + sizes[shared.col] - shared.data
        near = shared.data >= THRESHOLD * union
        ones = np.ones(near.sum(), dtype=np.int8)
        shape = (len(sizes[start : start + BLOCK]), len(sizes))
        blocks.append(csr_matrix((ones, (shared.row[near], shared.col[near])), shape))
    return vstack(blocks).tocsr()


if __name__ == "__main__":
    main()
