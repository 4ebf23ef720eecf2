"""A Hugging Face data set, by name or from a folder, to rows by split. Cleans nothing."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict, load_dataset, load_from_disk
from datasets.exceptions import DatasetGenerationError, DatasetsError

from docsort.core.errors import DataError
from docsort.data.naming import named
from docsort.data.rows import BATCH_ROWS, Columns, Rows, rows_from


def read_hub(
    name: str,
    config: str | None,
    splits: Mapping[str, str],
    columns: Mapping[str, Columns],
    separator: str | None,
) -> dict[str, Rows]:
    """``splits`` maps our names to the data set's; a lone saved Dataset is its own "train".

    Errors quote none of the `datasets` library's words: they may hold a row of the data.

    Raises DataError: not to be had, no such split, a missing column.
    """
    found = _opened(name, config)
    for ours, theirs in splits.items():
        if theirs not in found:
            raise DataError(
                f"{name} has no split {theirs!r} (data.{ours}={theirs}). It has: "
                f"{named(found)}. Name one of them, or data.{ours}=null to split it off train."
            )
    return {
        ours: _rows(f"{name}:{theirs}", found[theirs], columns[ours], separator)
        for ours, theirs in splits.items()
    }


def _opened(name: str, config: str | None) -> dict[str, Dataset]:
    try:
        if _is_saved(Path(name)):
            saved = load_from_disk(name)
            return dict(saved) if isinstance(saved, DatasetDict) else {"train": saved}
        return dict(load_dataset(name, config))
    except DatasetGenerationError:
        raise DataError(
            f"The files of the data set {name!r} (data.dataset) can't be read as one table: some "
            "are broken, or differ in their columns. Mend them, or give the one file that is meant "
            "with data=csv data.train=FILE."
        ) from None
    except (ConnectionError, FileNotFoundError, DatasetsError):
        raise DataError(
            f"The data set {name!r} (data.dataset) can't be had. With no network, save it "
            "elsewhere with dataset.save_to_disk(FOLDER) and give data.dataset=FOLDER; with one, "
            "check the name at https://huggingface.co/datasets."
        ) from None
    except (ValueError, OSError):  # an unknown configuration, or one that is needed; a broken file
        raise DataError(
            f"The data set {name!r} can't be loaded with data.dataset_config={config}. Give one of "
            "its configurations (they stand on its page), or null if it has only one."
        ) from None


def _is_saved(folder: Path) -> bool:
    return any((folder / file).is_file() for file in ("dataset_dict.json", "state.json"))


def _rows(source: str, dataset: Dataset, columns: Columns, separator: str | None) -> Rows:
    columns = columns.found_in(source, dataset.column_names)
    label = columns.label[0]
    feature = dataset.features[label]
    listed = _list_item(feature) is not None

    def read() -> Iterator[pa.Table]:
        chosen = dataset.select_columns(columns.names()).with_format("arrow")
        for batch in chosen.iter(BATCH_ROWS):
            place = batch.column_names.index(label)
            one = len(columns.label) == 1  # of several, the columns' names are the labels
            yield batch.set_column(place, label, _named(batch[label], feature)) if one else batch

    return rows_from(source, columns, read, listed=listed, separator=separator)


def _list_item(feature: Any) -> Any:
    """What a feature lists: ``List(ClassLabel)`` gives ClassLabel, and ``Value`` None."""
    return getattr(feature, "feature", None)


def _named(column: Any, feature: Any) -> Any:
    """Numbers of a ClassLabel become its names; -1, which stands for a hidden label, none."""
    item = _list_item(feature)
    kind = feature if item is None else item
    if not isinstance(kind, ClassLabel):
        return column
    name_of = dict(enumerate(kind.names))
    values = column.to_pylist()
    if item is None:
        return pa.array([name_of.get(value) for value in values], pa.string())
    named = [None if some is None else [name_of.get(value) for value in some] for some in values]
    return pa.array(named, pa.list_(pa.string()))
