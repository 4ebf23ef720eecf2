"""A run's folder: one command at a time, no other command's results, nothing left half written."""

from pathlib import Path

import pytest

from docsort.commands.run_folder import remove_unfinished, sole_run
from docsort.core.bundle import whole_or_nothing
from docsort.core.disk import whole_file
from tests.commands.conftest import Docsort, Trained


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


@pytest.fixture
def commands(trained: Trained, overrides: list[str]) -> dict[str, list[str]]:
    """Commands that write into a folder."""
    return {
        "train": [*trained.data, *overrides],
        "audit": [*trained.data, overrides[0]],
        "evaluate": [f"bundle={trained.bundle}", f"data.test={trained.test}"],
    }


@pytest.mark.parametrize("command", ["train", "audit", "evaluate"])
def test_folder_of_a_running_command_is_refused(
    docsort: Docsort, commands: dict[str, list[str]], tmp_path: Path, command: str
) -> None:
    with sole_run(tmp_path):
        status, _, err = docsort(command, *commands[command], f"hydra.run.dir={tmp_path}")
        left = {file.name for file in tmp_path.iterdir()}
    assert status == 2
    assert f"hydra.run.dir={tmp_path}: another docsort command writes there" in err
    assert left <= {".lock", f"{command}.log"}


def test_processes_of_one_run_share_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sole_run(tmp_path):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with sole_run(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()


def test_checkpoint_of_a_running_command_is_not_resumed_elsewhere(
    docsort: Docsort, commands: dict[str, list[str]], tmp_path: Path
) -> None:
    """New checkpoints are written beside the one that is resumed."""
    last = tmp_path / "running" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()
    with sole_run(tmp_path / "running"):
        status, _, err = docsort(
            "train", *commands["train"], f"resume={last}", f"hydra.run.dir={tmp_path / 'other'}"
        )
    assert status == 2
    assert f"resume={last}: another docsort command writes there" in err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("command", ["audit", "evaluate"])
def test_training_run_keeps_its_results_from_other_commands(
    docsort: Docsort, commands: dict[str, list[str]], trained: Trained, command: str
) -> None:
    before = {file: file.stat().st_mtime_ns for file in trained.run.rglob("*.*") if file.is_file()}
    status, _, err = docsort(command, *commands[command], f"hydra.run.dir={trained.run}")
    assert status == 2
    assert f"hydra.run.dir={trained.run} holds a training run" in err
    before = {file: time for file, time in before.items() if file.suffix != ".log"}
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.parametrize("resume", ["auto", "null"])
def test_evaluation_keeps_its_results_from_a_training_run(
    docsort: Docsort, commands: dict[str, list[str]], tmp_path: Path, resume: str
) -> None:
    (tmp_path / "metrics.json").write_text("{}", encoding="utf-8")
    status, _, err = docsort(
        "train", *commands["train"], f"resume={resume}", f"hydra.run.dir={tmp_path}"
    )
    assert status == 2
    assert f"hydra.run.dir={tmp_path} holds metrics.json and no bundle" in err
