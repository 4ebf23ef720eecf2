"""``docsort score``: a whole file in, the same file with predictions out; resumable.

Rows are scored in chunks, whose predictions score_parts.py keeps. A run that stopped goes on
behind its last chunk; the last step joins input and predictions into ``OUTPUT`` and renames it
into place.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from docsort.commands.prediction_columns import prediction_columns
from docsort.commands.provenance import table_settings
from docsort.commands.score_parts import ScoreParts, job_of, sole_parts
from docsort.core.bundle import read_bundle
from docsort.core.disk import full_disk_as_error, put_in_place
from docsort.core.errors import DataError
from docsort.core.scorer import Scorer
from docsort.data.file_formats import format_of
from docsort.data.plain_files import PlainFile, read_plain
from docsort.data.row_writers import check_names, row_writer
from docsort.data.table_format import DELIMITERS, Quoting, TableFormat
from docsort.data.values import separator_between

CHUNK_ROWS = 512


def main(argv: list[str]) -> int:
    """Score a file; the output's ending says its kind: .csv, .tsv, .jsonl or .parquet, or + .gz."""
    arguments = _parser().parse_args(argv)
    output = Path(arguments.output)
    row_writer(output)  # an ending that can't be written is refused before anything is scored
    _refuse_existing(output)
    with sole_parts(output) as folder:
        _refuse_existing(output)  # of a run that has just ended
        text_columns, form = _reading(
            arguments, table_settings(read_bundle(arguments.bundle).provenance)
        )
        source = read_plain(Path(arguments.input), form, text_columns)
        source.check_texts(text_columns)
        check_names(output, source.schema.names)
        _refuse_existing(output)
        scorer = Scorer.load(arguments.bundle, arguments.device)
        job = job_of(source, text_columns, scorer.bundle, CHUNK_ROWS)
        parts = ScoreParts(folder, job)
        separator = _separator(scorer, output)
        try:
            _score(source, text_columns, scorer, parts)
            _join(source, output, parts, separator)
        except DataError:
            if source.is_unchanged():
                raise
            parts.remove()  # nobody knows which rows the predictions are of
            raise _changed(source) from None
    for note in source.notes:
        print(note)
    skipped = "".join(f", {count:,} no rows ({why})" for why, count in source.skipped.items())
    records = source.num_rows + sum(source.skipped.values())
    print(f"scored  {output}  ({records:,} records{skipped}, {source.num_rows:,} rows in and out)")
    return 0


def _reading(
    arguments: argparse.Namespace, trained: Mapping[str, Any]
) -> tuple[tuple[str, ...], TableFormat]:
    """The columns of documents and the format: as given, else as the bundle was trained on.

    Prints what the bundle decides otherwise than by default.
    """
    given = {key: getattr(arguments, key) for key in ("delimiter", "quoting", "escape", "header")}
    known = {key: trained[key] for key, value in given.items() if value is None and key in trained}
    chosen = {key: value for key, value in given.items() if value is not None}
    form = TableFormat(**known, **chosen, as_options=True)
    columns = arguments.text_column or trained.get("text_column", "text")
    columns = tuple(map(str, columns if isinstance(columns, list) else [columns]))
    told = []
    if not arguments.text_column and columns != ("text",):
        told += [f"{form.text_column_setting} {column}" for column in columns]
    if format_of(Path(arguments.input)) in DELIMITERS:
        usual = vars(TableFormat())
        told += [form.setting(key, value) for key, value in known.items() if value != usual[key]]
    if told:
        print(f"as the bundle was trained: {' '.join(told)}")
    return columns, form


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "docsort score",
        description="Add predictions to every row of a csv, tsv, jsonl or parquet (also .gz). What "
        "is not given about the input is as the bundle was trained.",
    )
    parser.add_argument("--bundle", required=True, metavar="DIR")
    parser.add_argument("--input", required=True, metavar="FILE")
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument(
        "--text-column",
        action="append",
        metavar="NAME",
        help="the column with the documents; given several times, their texts are joined",
    )
    parser.add_argument(
        "--delimiter", metavar="CHARACTER", help="of a csv or tsv (default: found by the columns)"
    )
    parser.add_argument(
        "--quoting",
        choices=get_args(Quoting),
        help="standard: RFC 4180; none: quotation marks are part of the texts; auto: standard, but "
        "a file that can be read in two ways is refused (default: auto)",
    )
    parser.add_argument("--escape", metavar="CHARACTER", help=r"'\' where \" is a quotation mark")
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line names the columns; else their names are 0, 1, ...",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    return parser


def _refuse_existing(output: Path) -> None:
    if os.path.exists(output):  # Path.exists raises where nobody may look
        raise DataError(f"{output} is there already; move it away, or name another --output")


def _score(
    source: PlainFile, text_columns: tuple[str, ...], scorer: Scorer, parts: ScoreParts
) -> None:
    columns = (
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("scoring", total=source.num_rows)
        for chunk, texts in enumerate(source.texts(text_columns, CHUNK_ROWS)):
            if not parts.done(chunk):
                parts.write(chunk, _predictions(scorer, texts))
            progress.advance(task, len(texts))


def _predictions(scorer: Scorer, texts: list[str]) -> pa.Table:
    predictions = scorer.score(texts)
    return prediction_columns(
        scorer,
        np.stack([prediction.probabilities for prediction in predictions]),
        [prediction.receipt for prediction in predictions],
    )


def _separator(scorer: Scorer, output: Path) -> str:
    """What is between the labels in one cell: as in training, or else what is in no label.

    Raises DataError where that can't be.
    """
    if scorer.task == "single_label" or format_of(output) not in DELIMITERS:
        return ";"
    trained = scorer.bundle.provenance.get("config", {}).get("data", {}).get("label_separator")
    separator = separator_between(scorer.labels, trained)
    print(
        f"labels  {separator!r} is between the labels of a document (to read them back: "
        f'"data.label_separator={separator!r}"); alone it says that there are none'
    )
    return separator


def _join(source: PlainFile, output: Path, parts: ScoreParts, separator: str) -> None:
    joined = parts.folder / f"joined.{os.getpid()}"  # a killed run's goes with the parts
    try:
        with full_disk_as_error(output):
            with row_writer(output, separator)(joined) as write:
                for chunk, rows in enumerate(source.chunks(CHUNK_ROWS)):
                    predictions = parts.read(chunk) if parts.done(chunk) else []
                    if len(predictions) != len(rows):
                        raise DataError(f"{parts.folder} is of other rows; remove it to start anew")
                    write(_side_by_side(rows, predictions))
            if not source.is_unchanged():
                raise _changed(source)
            put_in_place(joined, output)
    finally:
        joined.unlink(missing_ok=True)
    parts.remove()


def _changed(source: PlainFile) -> DataError:
    return DataError(f"{source.path} was changed while it was scored; score it anew")


def _side_by_side(rows: pa.Table, predictions: pa.Table) -> pa.Table:
    """Input columns, then ours; ``docsort/`` goes before a name until the input has none such."""
    for name in predictions.column_names:
        unique = name
        while unique in rows.column_names:
            unique = f"docsort/{unique}"
        rows = rows.append_column(unique, predictions[name])
    return rows
