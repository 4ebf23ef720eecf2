"""``docsort score``: a whole file in, the same file with predictions out; resumable.

Rows are scored in chunks, and each chunk's predictions are written whole or not at all into
``OUTPUT.partial/``. A run that stopped goes on behind its last chunk; the last step joins input
and predictions into ``OUTPUT`` and renames it into place.
"""

import argparse
import hashlib
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from docsort.core.errors import DataError
from docsort.core.scorer import Scorer
from docsort.data.plain_files import count_rows, read_chunks, row_writer

CHUNK_ROWS = 512


def main(argv: list[str]) -> int:
    """Score a file; the output's ending says its kind: .csv, .tsv, .jsonl or .parquet."""
    arguments = _parser().parse_args(argv)
    source, output = Path(arguments.input), Path(arguments.output)
    total = count_rows(source, arguments.text_column)
    row_writer(output)  # an ending that can't be written is refused before anything is scored
    if output.exists():
        raise DataError(f"{output} is there already; move it away, or name another --output")
    scorer = Scorer.load(arguments.bundle, arguments.device)
    parts = _Parts(output, _job(source, arguments.text_column, scorer))
    _score(source, arguments.text_column, scorer, parts, total)
    _join(source, output, parts)
    print(f"scored  {output}  ({total} rows)")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "docsort score", description="Add predictions to every row of a csv, tsv, jsonl or parquet."
    )
    parser.add_argument("--bundle", required=True, metavar="DIR")
    parser.add_argument("--input", required=True, metavar="FILE")
    parser.add_argument("--output", required=True, metavar="FILE")
    parser.add_argument("--text-column", default="text", metavar="NAME")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    return parser


class _Parts:
    """The chunks of one job that are done. Raises DataError when the folder is another job's."""

    def __init__(self, output: Path, job: str) -> None:
        self.folder = output.with_name(output.name + ".partial")
        self.folder.mkdir(parents=True, exist_ok=True)
        said = self.folder / "job.json"
        if not said.exists():
            _replace(said, job.encode())
        elif said.read_text(encoding="utf-8") != job:
            raise DataError(
                f"{self.folder} belongs to another input, bundle or column; remove it to start anew"
            )

    def done(self, chunk: int) -> bool:
        return self._path(chunk).exists()

    def write(self, chunk: int, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        _replace(self._path(chunk), sink.getvalue())

    def read(self, chunk: int) -> pa.Table:
        return pq.read_table(self._path(chunk))

    def _path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:08d}.parquet"


def _job(source: Path, text_column: str, scorer: Scorer) -> str:
    """What must be the same for a stopped run to go on."""
    with source.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    files = {name: said["sha256"] for name, said in scorer.bundle.files.items()}
    job = {"input": digest, "text_column": text_column, "bundle": files, "rows": CHUNK_ROWS}
    return json.dumps(job, sort_keys=True)


def _score(source: Path, text_column: str, scorer: Scorer, parts: _Parts, total: int) -> None:
    columns = (
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("scoring", total=total)
        for chunk, rows in enumerate(read_chunks(source, CHUNK_ROWS)):
            if not parts.done(chunk):
                texts = [text or "" for text in rows[text_column].cast(pa.string()).to_pylist()]
                parts.write(chunk, _predictions(scorer, texts))
            progress.advance(task, len(rows))


def _predictions(scorer: Scorer, texts: list[str]) -> pa.Table:
    """Our columns, one row a text; an empty text is predicted null, whatever its probabilities."""
    predictions = scorer.score(texts)
    decided = [scorer.decide(p.probabilities) if p.receipt.tokens else None for p in predictions]
    single = scorer.task == "single_label"
    columns = {
        "predicted": [names[0] if single and names else names for names in decided],
        "score": [float(p.probabilities.max()) for p in predictions],
    }
    for c, label in enumerate(scorer.labels):
        columns[f"probability/{label}"] = [float(p.probabilities[c]) for p in predictions]
    columns["tokens"] = [p.receipt.tokens for p in predictions]
    columns["tokens_read"] = [p.receipt.tokens_read for p in predictions]
    kind = pa.string() if single else pa.list_(pa.string())
    return pa.table({**columns, "predicted": pa.array(columns["predicted"], kind)})


def _join(source: Path, output: Path, parts: _Parts) -> None:
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with row_writer(output)(partial) as write:
            for chunk, rows in enumerate(read_chunks(source, CHUNK_ROWS)):
                write(_side_by_side(rows, parts.read(chunk)))
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)
    shutil.rmtree(parts.folder)


def _side_by_side(rows: pa.Table, predictions: pa.Table) -> pa.Table:
    """Input columns, then ours; a name that the input has already gets ``docsort/`` before it."""
    for name in predictions.column_names:
        unique = f"docsort/{name}" if name in rows.column_names else name
        rows = rows.append_column(unique, predictions[name])
    return rows


def _replace(path: Path, content: bytes | pa.Buffer) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)
