"""Whether a run is made once more with its validation documents among the others."""

from docsort.commands.run_inputs import RunInputs
from docsort.data.corpus import Corpus


def corpus_to_refit(inputs: RunInputs, up_to: int, num_processes: int) -> Corpus | None:
    """All that may be learned from, as train; None where the first run is to stand.

    It stands where val was given, not split off, or data.train_per_label says how many documents
    of a label are learned from; where there are over ``up_to`` documents, of which a tenth less
    hardly matters; with a cascade, whose promise is about the linear model that it was chosen for;
    and where several processes train, which small tables have no use for.
    """
    corpus = inputs.corpus
    few = len(corpus.train) + len(corpus.val) <= up_to
    split_off = "val" not in corpus.given and inputs.data.train_per_label is None
    alone = inputs.model.cascade.max_extra_error is None and num_processes == 1
    return corpus.with_val_in_train() if few and split_off and alone else None
