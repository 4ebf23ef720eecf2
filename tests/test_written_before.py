"""What commit 222b3cb wrote still works: a bundle, an archive, a finished and a stopped run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from docsort.core.golden import check_golden
from docsort.core.scorer import Scorer
from docsort.serving.mar import read_archive
from tests.commands.conftest import Docsort, docsort

__all__ = ["docsort"]  # the fixture

BEFORE = Path(__file__).parent / "written_at_222b3cb"
SETTINGS = """
data=csv data.train=train.csv data.test=test.csv data.name=toy data.val_share=0.2
data.max_leak_share=0.05 model.optimizer.warmup_share=0.2 refit_up_to=0 model.pretrained=encoder
model.sha256=null model.window=16 model.overlap=4 model.optimizer.lr=1e-2 data.batch_size=8
trainer.max_epochs=1 trainer.precision=32-true hydra.run.dir=run resume=auto
""".split()  # noqa: SIM905


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what was written, as the current folder: paths in it are relative."""
    folder = Path(shutil.copytree(BEFORE, tmp_path / "before"))
    monkeypatch.chdir(folder)
    return folder


def test_bundle_of_before_gives_its_golden_answers(before: Path) -> None:
    bundle = before / "run" / "bundle"
    scorer = Scorer.load(bundle)
    check_golden(bundle, lambda texts: np.stack([p.probabilities for p in scorer.score(texts)]))


def test_archive_of_before_is_read(before: Path) -> None:
    info = read_archive(before / "store" / "toy-1.0.mar")
    assert (info.name, info.version) == ("toy", "1.0")


def test_finished_run_of_before_is_finished(before: Path, docsort: Docsort) -> None:
    status, out, err = docsort("train", *SETTINGS)
    assert status == 0, err
    assert "finished before" in out


def test_stopped_run_of_before_goes_on(before: Path, docsort: Docsort) -> None:
    run = before / "run"
    shutil.rmtree(run / "bundle")
    finished = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    (run / "metrics.json").unlink()
    status, _, err = docsort("train", *SETTINGS)
    assert status == 0, err
    again = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert again["test/accuracy"] == pytest.approx(finished["test/accuracy"], abs=1e-6)
