"""Settings to corpus: opens the source, drops what is bad, splits, checks.

Only the order of the steps is here; each step stands in a file of its own.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from datasets import Dataset

from docsort.core.errors import DataError
from docsort.core.probabilities import Task
from docsort.data.bad_rows import Cleaned, CountTokens, without_bad_rows
from docsort.data.corpus import COLUMNS, Corpus
from docsort.data.label_names import likeness_told
from docsort.data.labels import label_pairs, without_labels
from docsort.data.ledger import Account, account, accounts
from docsort.data.naming import counted_names
from docsort.data.partition import partition
from docsort.data.rows import Rows
from docsort.data.settings import SPLITS, DataSettings
from docsort.data.sources import open_sources, source_hashes
from docsort.data.splits import few_per_label
from docsort.data.tables import read_table


def load_corpus(
    settings: DataSettings, seed: int, count_tokens: CountTokens | None = None
) -> Corpus:
    """Reads, cleans and splits; the same settings and seed give the same splits.

    Args:
        settings: the group ``data``.
        seed: of the splits.
        count_tokens: of the tokenizer in use: texts without a token are left out as empty ones.

    Raises:
        DataError: the sources can't be read, or not be split so.
    """
    sources = open_sources(settings)
    dropped: Counter[str] = Counter()
    notes: list[str] = []
    splits: dict[str, Dataset] = {}
    for name, rows in sources.items():
        cleaned = without_bad_rows(rows, settings.bad_rows, count_tokens)
        splits[name] = cleaned.dataset
        notes += [*rows.notes, *cleaned.notes]
        dropped.update({f"{name}: {why}": count for why, count in cleaned.dropped.items()})
    task = _one_task(sources)
    _check_empty_label(settings, task)
    parts = partition(splits, settings, seed)
    splits = dict(parts.splits)
    for name, counts in parts.left_out.items():
        dropped.update({f"{name}: rare label: {label}": count for label, count in counts.items()})
    notes += parts.notes
    if settings.train_per_label is not None:
        few = few_per_label(label_pairs(splits["train"]), settings.train_per_label, seed)
        if over := len(splits["train"]) - len(few):
            dropped[f"train: more than data.train_per_label={settings.train_per_label}"] = over
        splits["train"] = splits["train"].select(few)
    labels = label_pairs(splits["train"]).names
    for name in ("val", "test"):
        newest = settings.time_column is not None and name not in parts.given
        known = _with_known_labels(name, splits[name], labels, settings.unseen_labels, newest)
        splits[name] = known.dataset
        notes += known.notes
        dropped.update(known.dropped)
    sizes = {name: len(splits[name]) for name in SPLITS}
    return Corpus(
        **{name: splits[name].select_columns(list(COLUMNS)) for name in SPLITS},
        labels=labels,
        task=task,
        name=settings.name,
        sources=source_hashes(sources),
        ledger=accounts(sources, dropped, sizes),
        dropped=dict(dropped),
        notes=tuple(notes),
        given=parts.given,
        crossing=parts.crossing,
    )


@dataclass(frozen=True)
class Labelled:
    """Rows to evaluate on, what became of the file's records, and sentences that name rows."""

    rows: Rows
    account: Account
    notes: tuple[str, ...]


def load_labelled(
    path: str, settings: DataSettings, task: Task, count_tokens: CountTokens | None = None
) -> Labelled:
    """One labelled file for evaluation, without its bad rows; nothing is split.

    Args:
        path: the file.
        settings: the group ``data``.
        task: the model's.
        count_tokens: of the model's tokenizer: texts without a token are left out as empty ones.

    Raises:
        DataError: not a table, or its labels are not of the model's ``task``.
    """
    rows = read_table(path, settings.columns, settings.label_separator, settings.table_format)
    if rows.task != task:
        raise DataError(_other_task(rows, task))
    _check_empty_label(settings, task)
    cleaned = without_bad_rows(rows, settings.bad_rows, count_tokens)
    kept = replace(rows, dataset=cleaned.dataset)
    told = account(rows.source, rows, cleaned.dropped, {"evaluated": len(cleaned.dataset)})
    return Labelled(kept, told, (*rows.notes, *cleaned.notes))


def _other_task(rows: Rows, task: Task) -> str:
    if task == "single_label":
        return (
            f"{rows.source} has lists of labels, but the model gives one label a document "
            "(single_label). Write one label in each row, or leave data.label_separator out."
        )
    return (
        f"{rows.source} has one label a document, but the model gives several (multi_label). "
        "Name what stands between them, as in \"data.label_separator=';'\", or write lists (jsonl)."
    )


def _check_empty_label(settings: DataSettings, task: Task) -> None:
    if settings.empty_label == "none" and task == "single_label":
        raise DataError(
            "data.empty_label=none is for documents that may have several labels or none, but here "
            "each has one. Leave it out, or name what is between labels: "
            "\"data.label_separator=';'\"."
        )


def _one_task(sources: Mapping[str, Rows]) -> Task:
    tasks = {name: rows.task for name, rows in sources.items()}
    if len(set(tasks.values())) > 1:
        told = ", ".join(f"{name} is {task}" for name, task in tasks.items())
        raise DataError(f"The files' labels differ in kind: {told}. Write all as lists, or none.")
    return next(iter(tasks.values()))


def _with_known_labels(
    name: str,
    split: Dataset,
    labels: tuple[str, ...],
    policy: Literal["refuse", "drop"],
    newest: bool,
) -> Cleaned:
    """A split without the documents whose label train does not have.

    Args:
        name: the split's name.
        split: its documents.
        labels: the labels of train.
        policy: data.unseen_labels.
        newest: whether the split was made by time.

    Raises:
        DataError: there are such documents, and they are refused.
    """
    pairs = label_pairs(split)
    counts = dict(zip(pairs.names, pairs.counts().tolist(), strict=True))
    unseen = {label: count for label, count in counts.items() if label not in labels}
    if not unseen:
        return Cleaned(split, {}, ())
    told = (
        f"The {name} split has {len(unseen)} labels that training never saw: "
        f"{counted_names(unseen, 'rows')}.{likeness_told(list(unseen), labels)}"
    )
    if newest:
        told += (
            " A split by time (data.time_column) leaves the newest documents for val and test, and "
            "only those have these labels."
        )
    if policy == "refuse":
        raise DataError(
            f"{told} Mend their spelling, add training documents with these labels, or leave those "
            "rows out (data.unseen_labels=drop)."
        )
    kept, gone = without_labels(split, unseen)
    note = f"{told} {len(split) - len(kept):,} rows were left out (data.unseen_labels=drop)."
    return Cleaned(
        kept, {f"{name}: unseen label: {label}": n for label, n in gone.items()}, (note,)
    )
