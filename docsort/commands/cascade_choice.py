"""A corpus's cascade: what the linear model said of documents that it had not seen, weighed."""

import numpy as np
from datasets import concatenate_datasets
from rich.console import Console

from docsort.core.bundle import Cascade
from docsort.core.linear import LinearModel
from docsort.data.corpus import Corpus
from docsort.data.duplicates import duplicate_clusters
from docsort.data.out_of_fold import out_of_fold
from docsort.data.targets import as_targets
from docsort.data.words import num_searched
from docsort.report.cascade import choose_cascade, least_documents

# More would take minutes of cross-fitting, and show smaller errors than anybody asks for.
MAX_DOCUMENTS = 20_000


def corpus_cascade(
    corpus: Corpus, linear: LinearModel, max_extra_error: float, console: Console
) -> Cascade | None:
    """Choose on train, cross-fitted, and on val, which ``linear`` did not see; say what came of it.

    None where these documents can't show so small an error.
    """
    train = corpus.train
    if len(train) > (size := num_searched(train, MAX_DOCUMENTS)):
        chosen = np.random.default_rng(0).choice(len(train), size, replace=False)
        train = train.select(np.sort(chosen))
    labels = concatenate_datasets([train, corpus.val])["label"][:]
    truth = as_targets(labels, corpus.labels, corpus.task)
    with console.status("choosing the cascade"):
        clusters_D = duplicate_clusters(train["text"][:])
        of_train_DC = out_of_fold(train, clusters_D, corpus.labels, corpus.task)
        of_val_DC = linear.evidence(corpus.val["text"][:], corpus.task).exp().numpy()
    if of_train_DC is None:
        console.print("no cascade: no label has two different texts, to learn from one of them")
        return None
    cascade = choose_cascade(truth, np.concatenate([of_train_DC, of_val_DC]), max_extra_error)
    if cascade is None:
        console.print(
            f"no cascade: {len(truth)} documents don't show that the linear model adds at most "
            f"{max_extra_error:g} of errors; it takes {least_documents(max_extra_error)} at least, "
            "without one mistake among its surest"
        )
    else:
        console.print(f"cascade: the linear model answers {cascade.share:.0%} of the documents")
    return cascade
