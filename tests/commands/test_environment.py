"""Files, folders and streams that refuse a command: words and status 2, never a traceback."""

import errno
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from docsort.commands import main
from docsort.commands.streams import CLOSED_PIPE
from docsort.core.disk import environment_error
from docsort.core.errors import BundleError, StorageError
from lightning_modules.checkpoints import read_weights
from tests.commands.conftest import Docsort, Trained
from tests.files import public_folder, without_permission

DOCSORT = [sys.executable, "-m", "docsort"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), "/a/b: Permission denied. G"),
        (OSError(errno.EROFS, "Read-only file system", b"/a"), "/a: Read-only file system. Ch"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/a"), "A file is where a folder"),
        (FileExistsError(errno.EEXIST, "File exists", "/a"), "A file is where a folder is needed"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device: make room"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in []"), "TMPDIR"),
        (RuntimeError("Could not determine home directory."), "environment variable HOME"),
    ],
)
def test_environment_error_names_file_and_next_step(error: Exception, said: str) -> None:
    told = environment_error(error)
    assert isinstance(told, StorageError)
    assert said in str(told)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/a"),
        PermissionError(errno.EACCES, "Permission denied"),
        ValueError("x"),
    ],
)
def test_environment_error_hides_no_bug(error: Exception) -> None:
    assert environment_error(error) is None


def test_environment_error_is_found_under_a_librarys_own() -> None:
    error = ValueError("failed")
    error.__cause__ = PermissionError(errno.EACCES, "Permission denied", "/a")
    assert "/a: Permission denied" in str(environment_error(error))


FILES = ["bundle.json", "model.safetensors", "encoder/config.json", "tokenizer/tokenizer.json"]


@pytest.mark.parametrize("name", FILES)
def test_bundle_that_may_not_be_read_names_the_file(
    docsort: Docsort, tiny_bundle: Path, name: str
) -> None:
    with public_folder() as folder:
        bundle = folder / "bundle"
        subprocess.run(["cp", "-r", tiny_bundle, bundle], check=True)
        assert docsort("classify", "--bundle", bundle, "the bank")[0] == 0
        with without_permission(bundle / name):
            status, _, err = docsort("classify", "--bundle", bundle, "the bank")
    assert status == 2
    assert f"{bundle / name}: Permission denied" in err


def test_table_that_may_not_be_read_is_named(docsort: Docsort, tiny_bundle: Path) -> None:
    with public_folder() as folder:
        table, bundle = folder / "table.csv", folder / "bundle"
        table.write_text("text,label\nthe bank,finance\n", encoding="utf-8")
        subprocess.run(["cp", "-r", tiny_bundle, bundle], check=True)
        (folder / "out").mkdir()
        (folder / "out").chmod(0o777)
        out = folder / "out" / "out.csv"
        scored = ("score", "--bundle", bundle, "--input", table, "--output", out)
        with without_permission(table):
            status, _, err = docsort(*scored)
    assert status == 2
    assert f"{table}: Permission denied" in err


def test_checkpoint_that_may_not_be_read_is_named() -> None:
    with public_folder() as folder:
        checkpoint = folder / "last.ckpt"
        checkpoint.touch()
        with (
            without_permission(checkpoint),
            pytest.raises(BundleError, match=f"resume={checkpoint} cannot be read: Permission"),
        ):
            read_weights(checkpoint, "resume")


def test_temporary_file_is_not_named_but_its_folder(tmp_path: Path) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".x.partial"))
    assert str(environment_error(refused)).startswith(f"{tmp_path}: Permission denied")


def test_run_folder_that_may_not_be_made_is_named(
    docsort: Docsort, trained: Trained, overrides: list[str]
) -> None:
    with public_folder() as folder, without_permission(folder):
        status, _, err = docsort("train", *trained.data, *overrides, f"hydra.run.dir={folder}/run")
    assert status == 2
    assert f"{folder}/run: Permission denied" in err


UNDER_A_FILE: dict[str, Callable[[Trained, Path], list[str]]] = {
    "train": lambda trained, file: ["train", *trained.data, f"hydra.run.dir={file}/run"],
    "audit": lambda trained, file: ["audit", *trained.data, f"hydra.run.dir={file}/run"],
    "evaluate": lambda trained, file: [
        *("evaluate", f"bundle={trained.bundle}", f"data.test={trained.test}"),
        f"hydra.run.dir={file}/run",
    ],
    "score": lambda trained, file: [
        *("score", "--bundle", str(trained.bundle), "--input", str(trained.test)),
        *("--output", f"{file}/out.csv"),
    ],
    "archive": lambda trained, file: [
        *("archive", "--bundle", str(trained.bundle), "--name", "a", "--store", f"{file}/store"),
    ],
}


@pytest.mark.parametrize("command", UNDER_A_FILE)
def test_output_under_a_file_is_refused(
    docsort: Docsort, trained: Trained, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    status, _, err = docsort(*UNDER_A_FILE[command](trained, file))
    assert status == 2
    assert str(file) in err
    assert "Not a directory" in err


def test_no_temporary_folder_names_the_variable(
    docsort: Docsort,
    tiny_bert: Path,
    trained: Trained,
    overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    run = f"hydra.run.dir={tmp_path}/run"
    status, _, err = docsort("train", *trained.data, *overrides, run)
    assert status == 2
    assert "TMPDIR" in err


LABELS = ["[/b]", "[red]x", "日本", "\x1b[31mred"]  # markup, another script, a terminal's escape


def test_labels_that_the_terminal_has_no_code_for_are_escaped(
    tmp_path: Path, overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "[i]é.csv"
    words = ["bank", "goal", "virus", "star"]
    rows = [f"the {words[i % 4]} {words[i % 3]} {i},{LABELS[i % 4]}" for i in range(80)]
    table.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    run, data = tmp_path / "run", f"data.train='{table}'"
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", output)
    small = [*overrides, "trainer.max_epochs=1"]
    assert main(["train", "data=csv", data, *small, f"hydra.run.dir={run}"]) == 0
    bundle = str(run / "bundle")
    assert main(["classify", "--bundle", bundle, "the bank 日本 [/b]"]) == 0
    evaluated = f"hydra.run.dir={tmp_path / 'evaluated'}"
    assert main(["evaluate", f"bundle={bundle}", f"data.test='{table}'", evaluated]) == 0


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["no-such-verb"]])
def test_help_in_ascii_prints_escapes(arguments: list[str]) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    finished = subprocess.run(
        [*DOCSORT, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in finished.stderr
    assert "\\u2026" in finished.stdout + finished.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["classify", "--help"], ["train", "--help"]])
def test_closed_pipe_ends_quietly(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stream:
        finished = subprocess.run(
            [*DOCSORT, *arguments], stdout=stream, stderr=subprocess.PIPE, check=False
        )
    assert finished.returncode in (0, CLOSED_PIPE)  # argparse passes over what it cannot print
    assert finished.stderr == b""


def test_closed_pipe_under_a_table_ends_quietly(tiny_bundle: Path) -> None:
    """rich meets the closed pipe first, and ends the process by itself."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [*DOCSORT, "classify", "--bundle", str(tiny_bundle), "the bank"]
    with os.fdopen(writer, "wb") as stream:
        finished = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, check=False)
    assert finished.returncode == CLOSED_PIPE
    assert b"Traceback" not in finished.stderr


def test_full_output_is_told_in_words() -> None:
    with open("/dev/full", "wb") as full:
        finished = subprocess.run(
            [*DOCSORT, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert finished.returncode == 2
    assert "No space left on device: make room" in finished.stderr
    assert "Traceback" not in finished.stderr
