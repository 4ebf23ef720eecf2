"""A run of `docsort train` on a csv with the tiny BERT, made once, and csv files to spoil."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from docsort.commands import main
from tests.lightning_modules.conftest import split


@dataclass(frozen=True)
class Trained:
    """Where a run's files and its data lie."""

    run: Path
    train: Path
    test: Path

    @property
    def data(self) -> list[str]:
        """The settings that name them."""
        return ["data=csv", f"data.train={self.train}", f"data.test={self.test}"]

    @property
    def bundle(self) -> Path:
        return self.run / "bundle"


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def toy_rows(num: int, seed: int) -> list[dict[str, object]]:
    return [{"text": row["text"], "label": row["label"]} for row in split(num, seed)]


@pytest.fixture(scope="session")
def trained(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run, made once more on all documents, with a blank test row that must
    be dropped and named by its row."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    train = write_csv(folder / "train.csv", toy_rows(160, 1))
    test_rows = toy_rows(24, 3)
    test_rows.insert(5, {"text": "  ", "label": "sport"})
    test = write_csv(folder / "test.csv", test_rows)
    run = folder / "run"
    data = ["data=csv", f"data.train={train}", f"data.test={test}", "data.name=toy"]
    assert main(["train", *data, *overrides, "refit_up_to=1000", f"hydra.run.dir={run}"]) == 0
    return Trained(run, train, test)


JOB_FILES = ["config.yaml", "hydra.yaml", "overrides.yaml"]


def job_files(run: Path) -> list[str]:
    """What a job keeps of its settings, as Hydra would."""
    return sorted(file.name for file in (run / ".hydra").iterdir())


Docsort = Callable[..., tuple[int, str, str]]


@pytest.fixture
def docsort(capsys: pytest.CaptureFixture[str]) -> Docsort:
    """Run a verb in this process: status, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
