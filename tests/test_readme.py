"""The README's code blocks: ``bash`` ones are executed in order, ``sh`` ones must compose."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from docsort.commands import main
from tests.serving.conftest import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    assert found
    return found


@pytest.mark.training
@pytest.mark.timeout(900)
def test_bash_blocks_run_in_order(tmp_path: Path) -> None:
    """In an empty folder, with this environment in place of .venv, and a free port for 1337."""
    script = "\n".join(["set -euo pipefail", *blocks("bash")])
    environment = Path(sys.executable).parent
    script = script.replace("source .venv/bin/activate", f"export PATH={environment}:$PATH")
    port = free_port()
    script = script.replace("docsort serve ", f"docsort serve --port {port} ")
    script = script.replace("127.0.0.1:1337", f"127.0.0.1:{port}")
    finished = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    assert '"label"' in finished.stdout
    scored = (tmp_path / "scored.csv").read_text(encoding="utf-8").splitlines()
    assert scored[0].startswith("id,text,predicted,score,probability/")
    assert len(scored) == 3
    for made in ("bundle/bundle.json", "report.html", "metrics.json", "predictions.parquet"):
        assert (tmp_path / "runs" / "first" / made).is_file()


def shown(of_models: bool) -> list[str]:
    """The lines of ``sh`` blocks that are commands of ours."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    ours = [line for line in lines if line.startswith("docsort")]
    return [line for line in ours if line.startswith("docsort models") is of_models]


@pytest.mark.parametrize("line", shown(of_models=False))
def test_shown_commands_compose(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for word in shlex.split(line, comments=True) if word != "-m"]
    arguments = [word.replace("5e-5,1e-4", "5e-5").replace("1,2", "1") for word in words[1:]]
    status = main([*arguments, *(["--cfg", "job"] * (len(arguments) > 2))])
    assert status == 0, capsys.readouterr().err


@pytest.mark.parametrize("line", shown(of_models=True))
def test_shown_changes_of_versions_want_nothing_but_a_server(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line, comments=True)[1:]
    assert main([*words, "--run-dir", str(tmp_path)]) == 2
    assert "no docsort serves from" in capsys.readouterr().err


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_tree_is_true() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Layout")[1]
    assert "docsort/core/" in tree
    for folder in re.findall(r"^([\w/]+)/ ", tree, flags=re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder
