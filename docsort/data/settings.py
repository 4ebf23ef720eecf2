"""The settings of the `data` group, checked. Mirrors conf/data/*.yaml; reads no file."""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from docsort.core.errors import ConfigError
from docsort.data.rows import Columns, EmptyLabel
from docsort.data.table_format import Quoting, TableFormat
from docsort.data.values import tab_of

Source = Literal["table", "library_docs", "hub", "newsgroups", "folder"]
SPLITS = ("train", "val", "test")
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}


@dataclass(frozen=True)
class DataSettings:
    """What is read, how it is split and how it is checked. Raises ConfigError.

    ``train``, ``val`` and ``test`` are files (source=table), folders of one folder per label
    (source=folder) or names of the data set's own splits (source=hub). What is not given of
    ``val`` and ``test`` is split off from ``train``, ``max_held_out`` documents each at most.
    """

    source: Source
    name: str
    train: str | None = None
    val: str | None = None
    test: str | None = None
    text_column: str | int | list[str | int] = "text"
    label_column: str | int | list[str | int] = "label"
    label_separator: str | None = None
    empty_label: EmptyLabel = "missing"
    delimiter: str | None = None
    quoting: Quoting = "auto"
    escape: str | None = None
    header: bool = True
    dataset: str | None = None
    dataset_config: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    time_column: str | None = None
    val_share: float = 0.1
    test_share: float = 0.2
    max_held_out: int = 10_000
    fold: int | None = None
    num_folds: int | None = None
    bad_rows: Literal["drop", "refuse"] = "drop"
    rare_labels: Literal["refuse", "drop", "keep"] = "refuse"
    unseen_labels: Literal["refuse", "drop"] = "refuse"
    min_per_label: int = 3
    train_per_label: int | None = None
    max_leak_share: float = 0.01
    audit_rows: int = 10_000
    batch_size: int = 16

    def __post_init__(self) -> None:
        for key in ("split_column", "group_column", "time_column"):
            if type(number := getattr(self, key)) is int:  # a column may be named by a number
                object.__setattr__(self, key, str(number))
        for key, kind in get_type_hints(DataSettings).items():
            if key in ("text_column", "label_column"):
                _check_columns(key, getattr(self, key))
            else:
                _of_type(key, getattr(self, key), kind)
        if self.table_format != TableFormat() and self.source != "table":
            raise ConfigError(
                f"data.source={self.source} reads no csv or tsv; leave data.delimiter, "
                "data.quoting, data.escape and data.header out."
            )
        for key in ("val_share", "test_share"):
            _check(key, getattr(self, key), 0 < getattr(self, key) < 1, "a share between 0 and 1")
        if self.val_share + self.test_share >= 1:
            raise ConfigError(
                f"data.val_share={self.val_share} and data.test_share={self.test_share} leave "
                "nothing to train on; their sum must be below 1."
            )
        share = self.max_leak_share
        _check("max_leak_share", share, 0 <= share <= 1, "a share from 0 to 1")
        _check("min_per_label", self.min_per_label, self.min_per_label >= 3, "a number from 3 up")
        most = self.max_held_out
        _check("max_held_out", most, most >= 1, "a number of documents from 1 up")
        _check("audit_rows", self.audit_rows, self.audit_rows >= 1, "a number of rows from 1 up")
        _check("batch_size", self.batch_size, self.batch_size >= 1, "a number of documents, 1 up")
        few = self.train_per_label
        _check("train_per_label", few, few is None or few >= 1, "null or a number from 1 up")
        if type(self.label_separator) is str:
            object.__setattr__(self, "label_separator", tab_of(self.label_separator))
        between = self.label_separator
        _check("label_separator", between, between != "", "null or what stands between labels")
        if between is not None and len(self.columns.label) > 1:
            raise ConfigError(
                f"data.label_separator={between} is for labels in one cell, but several columns "
                "hold 0 or 1 (data.label_column). Leave it out, or name one column."
            )
        self._check_name()
        self._check_source()
        self._check_splits()

    @property
    def columns(self) -> Columns:
        """What to read from files that are not split."""
        return Columns(
            _names(self.text_column), _names(self.label_column), empty_label=self.empty_label
        )

    @property
    def table_format(self) -> TableFormat:
        """How csv and tsv files are written."""
        return TableFormat(
            delimiter=self.delimiter,
            quoting=self.quoting,
            escape=self.escape,
            header=self.header,
        )

    def _check_name(self) -> None:
        """The name becomes the model's name in URLs and file names."""
        plain = bool(self.name) and all(
            c.isascii() and (c.isalnum() or c in "-_") for c in self.name
        )
        _check("name", self.name, plain, "letters, digits, '-' and '_', as in data.name=my-docs")

    def _check_source(self) -> None:
        if self.source in ("table", "folder") and not self.train:
            kind = "file" if self.source == "table" else "folder"
            raise ConfigError(
                f"data.train is missing: data.source={self.source} needs a {kind} to learn from, "
                f"as in data.train={'FILE.csv' if kind == 'file' else 'FOLDER'}."
            )
        if self.source == "hub" and not (self.dataset and self.train):
            raise ConfigError(
                "data.dataset and data.train are needed for data.source=hub: the name of a data "
                "set (or the folder one was saved in) and its split to learn from, "
                "as in data.dataset=ag_news data.train=train."
            )
        for key in ("split_column", "group_column", "time_column"):
            if getattr(self, key) is not None and self.source not in ("table", "hub"):
                raise ConfigError(
                    f"data.{key}={getattr(self, key)} can't be used with data.source={self.source},"
                    " which has no columns; use data=csv for a file."
                )
        for key in ("train", "val", "test"):
            given = getattr(self, key)
            if given is not None and self.source in ("library_docs", "newsgroups"):
                raise ConfigError(
                    f"data.{key}={given} can't be used with data.source={self.source}, which "
                    "brings its own documents; use data=csv for a file."
                )

    def _check_splits(self) -> None:
        ways = [k for k in ("split_column", "fold", "time_column") if getattr(self, k) is not None]
        if len(ways) > 1:
            raise ConfigError(
                f"{' and '.join(f'data.{w}' for w in ways)} are different ways to split; give one."
            )
        if (self.fold is None) != (self.num_folds is None):
            raise ConfigError(
                f"data.fold={self.fold} and data.num_folds={self.num_folds} go together, "
                "as in data.fold=0 data.num_folds=5."
            )
        if self.fold is not None and self.num_folds is not None:
            _check("num_folds", self.num_folds, self.num_folds >= 2, "a number from 2 up")
            inside = 0 <= self.fold < self.num_folds
            _check("fold", self.fold, inside, f"a number from 0 to {self.num_folds - 1}")
        if self.split_column is not None and (self.val or self.test):
            raise ConfigError(
                f"data.split_column={self.split_column} splits the one file data.train; "
                "leave data.val and data.test out."
            )
        if self.fold is not None and self.test:
            raise ConfigError("data.fold makes the test split itself; leave data.test out.")


def _names(columns: str | int | list[str | int]) -> tuple[str, ...]:
    return tuple(map(str, columns)) if isinstance(columns, list) else (str(columns),)


def _check_columns(key: str, value: Any) -> None:
    listed = value if isinstance(value, list) else [value]
    named = bool(listed) and all(type(name) in (str, int) and name != "" for name in listed)
    distinct = named and len(set(map(str, listed))) == len(listed)
    _check(key, value, distinct, "a column's name, or several different ones as in [title,body]")


def _one_of(key: str, value: str, accepted: tuple[str, ...]) -> None:
    _check(key, value, value in accepted, "one of " + ", ".join(accepted))


def _of_type(key: str, value: Any, hint: Any) -> None:
    """A word where a number belongs, or a number where a file's name does, is told early."""
    if get_origin(hint) is Literal:
        return _one_of(key, value, get_args(hint))
    kinds = get_args(hint) or (hint,)
    exact = type(value) in kinds or (float in kinds and type(value) is int)
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    words[type(None)] = "null"
    _check(key, value, exact, " or ".join(words[kind] for kind in kinds))


def _check(key: str, value: object, ok: bool, accepted: str) -> None:
    if not ok:
        raise ConfigError(f"data.{key}={value} is not accepted; give {accepted}.")
