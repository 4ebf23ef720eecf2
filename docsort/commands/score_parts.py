"""The parts of a scoring job that are done, in ``OUTPUT.partial/``: each there whole or not at all.

Knows nothing about scoring; a part is a numbered Arrow table.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from docsort.core.bundle import MANIFEST, Bundle
from docsort.core.disk import whole_file, write_whole
from docsort.core.errors import DataError
from docsort.core.hashing import file_sha256
from docsort.core.locks import exclusive
from docsort.data.plain_files import PlainFile

# To be raised when prediction_columns.py gives other columns.
COLUMNS_VERSION = 3
LOCK = ".lock"
_PARTS = "[0-9]" * 8 + ".parquet"


def job_of(
    source: PlainFile, text_columns: tuple[str, ...], bundle: Bundle, chunk_rows: int
) -> str:
    """What must be the same for a stopped run to go on.

    bundle.json lists the SHA-256 of every other file, and holds labels and calibration itself.
    """
    job = {
        "input": source.sha256,
        "text_columns": text_columns,
        "format": repr((source.form, source.delimited and source.delimited.delimiter)),
        "bundle": file_sha256(bundle.path / MANIFEST),
        "rows": chunk_rows,
        "columns": COLUMNS_VERSION,
    }
    return json.dumps(job, sort_keys=True)


@contextmanager
def sole_parts(output: Path) -> Iterator[Path]:
    """Holds the folder of parts, made if need be; at the end it is gone if no part is in it.

    Raises DataError while another run holds it, or where there can be none.
    """
    folder = output.with_name(output.name + ".partial")
    held = DataError(
        f"another docsort score writes {output}; wait for its end, or name another --output"
    )
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback(_remove_empty, folder)
            stack.enter_context(exclusive(folder / LOCK, held))
        except OSError as error:
            raise DataError(
                f"{output} can't be written: {folder} can't be used ({error.strerror}); name "
                "another --output"
            ) from None
        yield folder


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # parts are in it, or another run has it already
        folder.rmdir()


class ScoreParts:
    """The done chunks of one job, in the folder that ``sole_parts`` holds.

    Raises DataError when the folder is another job's.
    """

    def __init__(self, folder: Path, job: str) -> None:
        self.folder = folder
        said = self.folder / "job.json"
        if not said.exists():
            for left in self.folder.glob(_PARTS):  # nobody knows what they are of
                left.unlink()
            write_whole(said, job)
        elif said.read_text(encoding="utf-8") != job:
            raise DataError(
                f"{self.folder} belongs to another input, bundle, column or format; remove it "
                "to start anew"
            )

    def done(self, chunk: int) -> bool:
        return self._path(chunk).exists()

    def write(self, chunk: int, table: pa.Table) -> None:
        with whole_file(self._path(chunk)) as stream:
            pq.write_table(table, stream)

    def read(self, chunk: int) -> pa.Table:
        return pq.read_table(self._path(chunk))

    def remove(self) -> None:
        """All but the lock, once the output is in place."""
        for entry in self.folder.iterdir():
            if entry.name != LOCK:
                entry.unlink()

    def _path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:08d}.parquet"
