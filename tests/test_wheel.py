"""The built wheel trains, from a folder with a conf/ of its own that must not shadow ours."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.commands.conftest import toy_rows, write_csv

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the tracked files' copy: setuptools would leave its own folders in the tree."""
    source = tmp_path_factory.mktemp("source")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.split(b"\0")
    for name in filter(None, tracked):
        path = ROOT / name.decode()
        if path.is_file():
            target = source / name.decode()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_holds_what_it_needs_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("docsort/conf/train.yaml", "docsort/conf/model/minilm.yaml", "handlers/"):
        assert any(name.startswith(needed) for name in names), needed
    assert any(name.startswith("docsort/serving/templates/") for name in names)
    assert any(name.startswith("docsort/report/templates/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "conf/", "benchmarks/"))]


def test_trains(wheel: Path, overrides: list[str], tmp_path: Path) -> None:
    """The wheel's own files, first on the path, with this environment's other packages."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    work = tmp_path / "work"
    (work / "conf").mkdir(parents=True)
    (work / "conf" / "train.yaml").write_text("not: ours\n", encoding="utf-8")
    train = write_csv(work / "train.csv", toy_rows(120, 1))
    code = (
        "import sys; from docsort.commands import main; import docsort\n"
        f"assert docsort.__file__.startswith({str(site)!r}), docsort.__file__\n"
        "import docsort.conf; assert docsort.conf.__file__.startswith("
        f"{str(site)!r}), docsort.conf.__file__\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    finished = subprocess.run(
        [
            *(sys.executable, "-c", code, "train", "data=csv", f"data.train={train}"),
            *overrides,
            "trainer.max_epochs=1",
            "hydra.run.dir=run",
        ],
        cwd=work,
        env={"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert (work / "run" / "bundle" / "bundle.json").is_file()
