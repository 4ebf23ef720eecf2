"""Settings to corpus: opens the source, drops what is bad, splits, checks.

Only the order of the steps is here; each step stands in a file of its own.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from datasets import Dataset

from docsort.core.errors import DataError
from docsort.data.bad_rows import without_bad_rows
from docsort.data.corpus import COLUMNS, Corpus, Task
from docsort.data.duplicates import duplicate_clusters, exact_clusters
from docsort.data.labels import LabelPairs, label_pairs
from docsort.data.settings import SPLITS, DataSettings
from docsort.data.sources import open_sources
from docsort.data.splits import Ints, few_per_label, share_out, without_rare_labels
from docsort.data.tables import BATCH_ROWS, Columns, Rows, read_table

# MinHash takes about a millisecond a document and holds all shingles; above this many documents
# only exact copies (white space and case folded) are kept on one side of a split.
MAX_NEAR_DUPLICATE_ROWS = 50_000


def load_corpus(settings: DataSettings, seed: int) -> Corpus:
    """Reads, cleans and splits; the same settings and seed give the same splits.

    Raises DataError.
    """
    sources = open_sources(settings)
    dropped: Counter[str] = Counter()
    notes: list[str] = []
    splits: dict[str, Dataset] = {}
    for name, rows in sources.items():
        cleaned = without_bad_rows(rows, settings.bad_rows)
        splits[name] = cleaned.dataset
        notes += cleaned.notes
        dropped.update({f"{name}: {why}": count for why, count in cleaned.dropped.items()})
    task = _one_task(sources)
    splits, rare = _split(splits, settings, seed, notes)
    dropped.update({f"rare label: {label}": count for label, count in rare.items()})
    if settings.train_per_label is not None:
        few = few_per_label(label_pairs(splits["train"]), settings.train_per_label, seed)
        splits["train"] = splits["train"].select(few)
    labels = _labels(splits)
    return Corpus(
        **{name: splits[name].select_columns(list(COLUMNS)) for name in SPLITS},
        labels=labels,
        task=task,
        name=settings.name,
        sources={f"{name}:{rows.source}": rows.sha256 for name, rows in sources.items()},
        dropped=dict(dropped),
        notes=tuple(notes),
        given=frozenset(sources) - {"train"} if len(sources) > 1 else frozenset(),
    )


def load_labelled(path: str, settings: DataSettings) -> Rows:
    """One labelled file for evaluation, without its bad rows; nothing is split."""
    rows = read_table(
        path, Columns(settings.text_column, settings.label_column), settings.label_separator
    )
    return Rows(without_bad_rows(rows, settings.bad_rows).dataset, rows.source, rows.sha256)


def _one_task(sources: Mapping[str, Rows]) -> Task:
    tasks = {name: rows.task for name, rows in sources.items()}
    if len(set(tasks.values())) > 1:
        told = ", ".join(f"{name} is {task}" for name, task in tasks.items())
        raise DataError(f"The files' labels differ in kind: {told}. Write all as lists, or none.")
    return next(iter(tasks.values()))


def _split(
    splits: dict[str, Dataset], settings: DataSettings, seed: int, notes: list[str]
) -> tuple[dict[str, Dataset], dict[str, int]]:
    """All three splits, and the rare labels left out of them with their documents."""
    missing = [name for name in SPLITS if name not in splits]
    if not missing:
        return splits, {}
    whole = splits["train"]
    cluster_D = _clusters(whole, notes)
    labels = label_pairs(whole)
    kept, rare = without_rare_labels(
        labels, cluster_D, settings.min_per_label, settings.rare_labels
    )
    if rare:
        splits = {name: _without_labels(split, set(rare)) for name, split in splits.items()}
        whole, cluster_D = splits["train"], cluster_D[kept]
        labels = label_pairs(whole)
    shares = {name: getattr(settings, f"{name}_share") for name in missing}
    shares = {"train": 1 - sum(shares.values()), **shares}
    places = share_out(labels, cluster_D, shares, seed)
    return {**splits, **{name: whole.select(place) for name, place in places.items()}}, rare


def _clusters(dataset: Dataset, notes: list[str]) -> Ints:
    """(D,) ids of near-duplicates, or of exact ones where there are too many documents."""
    if len(dataset) <= MAX_NEAR_DUPLICATE_ROWS:
        return duplicate_clusters(dataset["text"][:])
    notes.append(
        f"{len(dataset):,} documents: the split keeps exact copies on one side; near-duplicates "
        f"are only looked for up to {MAX_NEAR_DUPLICATE_ROWS:,}."
    )
    batches = dataset.select_columns(["text"]).iter(batch_size=BATCH_ROWS)
    return exact_clusters(text for batch in batches for text in batch["text"])


def _without_labels(dataset: Dataset, gone: set[str]) -> Dataset:
    pairs = label_pairs(dataset)
    bad = [name in gone for name in pairs.names]
    out = np.unique(pairs.document_P[np.array(bad, dtype=bool)[pairs.code_P]])
    return dataset.select(np.setdiff1d(np.arange(len(dataset)), out))


def _labels(splits: Mapping[str, Dataset]) -> tuple[str, ...]:
    """The labels of train, sorted. Raises DataError for one that only val or test has."""
    known = label_pairs(splits["train"]).names
    for name in ("val", "test"):
        pairs = label_pairs(splits[name])
        unseen = sorted(set(pairs.names) - set(known))
        if unseen:
            raise DataError(_unseen(name, unseen, pairs))
    return known


def _unseen(name: str, unseen: list[str], pairs: LabelPairs) -> str:
    counts = pairs.counts()
    told = ", ".join(f"{label!r} ({counts[pairs.names.index(label)]} rows)" for label in unseen)
    return (
        f"The {name} split has labels that training never saw: {told}. "
        "Mend their spelling, leave those rows out, or add training documents with these labels."
    )
