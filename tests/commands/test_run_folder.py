"""What a killed run left half written goes when the next life writes its results."""

from pathlib import Path

from docsort.commands.run_folder import remove_unfinished
from docsort.core.bundle import whole_or_nothing
from docsort.core.disk import whole_file


def test_a_run_killed_while_it_wrote_its_results(tmp_path: Path) -> None:
    unfinished = [
        whole_or_nothing(tmp_path / "bundle"),
        *(whole_file(tmp_path / name) for name in ("predictions.parquet", "metrics.json")),
    ]
    for writing in unfinished:
        writing.__enter__()  # and never left, as by a process that is killed
    for partial in list(tmp_path.glob(".bundle.*")):
        (partial / "model.safetensors").touch()
    (tmp_path / "bundle").mkdir()  # whole, from a life before
    other = tmp_path / ".other.parquet.0000.partial"
    other.touch()
    assert len(list(tmp_path.iterdir())) == 5
    remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [other]
