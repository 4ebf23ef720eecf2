"""The parts of a scoring job that are done, in ``OUTPUT.partial/``: each there whole or not at all.

Knows nothing about scoring; a part is a numbered Arrow table.
"""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from docsort.core.bundle import MANIFEST, Bundle
from docsort.core.disk import whole_file, write_whole
from docsort.core.errors import DataError
from docsort.core.hashing import file_sha256
from docsort.data.plain_files import PlainFile

# To be raised when prediction_columns.py gives other columns.
COLUMNS_VERSION = 2


def job_of(source: PlainFile, text_column: str, bundle: Bundle, chunk_rows: int) -> str:
    """What must be the same for a stopped run to go on.

    bundle.json lists the SHA-256 of every other file, and holds labels and calibration itself.
    """
    job = {
        "input": source.sha256,
        "text_column": text_column,
        "bundle": file_sha256(bundle.path / MANIFEST),
        "rows": chunk_rows,
        "columns": COLUMNS_VERSION,
    }
    return json.dumps(job, sort_keys=True)


class ScoreParts:
    """The done chunks of one job. Raises DataError when the folder is another job's."""

    def __init__(self, output: Path, job: str) -> None:
        self.folder = output.with_name(output.name + ".partial")
        self.folder.mkdir(parents=True, exist_ok=True)
        said = self.folder / "job.json"
        if not said.exists():
            write_whole(said, job)
        elif said.read_text(encoding="utf-8") != job:
            raise DataError(
                f"{self.folder} belongs to another input, bundle or column; remove it to start anew"
            )

    def done(self, chunk: int) -> bool:
        return self._path(chunk).exists()

    def write(self, chunk: int, table: pa.Table) -> None:
        with whole_file(self._path(chunk)) as stream:
            pq.write_table(table, stream)

    def read(self, chunk: int) -> pa.Table:
        return pq.read_table(self._path(chunk))

    def remove(self) -> None:
        """Once the output is in place."""
        shutil.rmtree(self.folder)

    def _path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:08d}.parquet"
