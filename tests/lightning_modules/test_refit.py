"""A run made once more on all documents: for as long as the first, and to the same weights whenever
it is stopped. 190 documents in batches of 8 and two epochs: 48 steps."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from docsort.core.bundle import Manifest
from docsort.core.errors import ConfigError
from docsort.core.pretrained import load_pretrained
from lightning_modules.callbacks import Speed
from lightning_modules.checkpoints import read_weights
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import DocumentDataModule
from lightning_modules.fit import Fitted, TrainingRun
from lightning_modules.head_start import HeadStart
from lightning_modules.refit import remove_refit
from lightning_modules.run_settings import RunSettings
from tests.lightning_modules.conftest import LABELS, TRAINER, PowerCutError, Run, make_corpus
from tests.lightning_modules.conftest import SETTINGS as MODEL

LAST = "checkpoints/refit/last.ckpt"
Again = Callable[..., DocumentClassification]


@pytest.fixture
def first_checkpoint(run: Run, tmp_path: Path) -> Path:
    """A first run's last checkpoint."""
    _, fitted = run("first", max_steps=1)
    return fitted.best_checkpoint.with_name("last.ckpt")


@pytest.fixture
def again(tiny_bert: Path, tmp_path: Path, first_checkpoint: Path) -> Again:
    """The run once more, in the folder of one that is gone on with; keywords say what the first run
    was, and its settings."""

    def train(
        folder: str,
        kept: int = 40,
        of: int = 40,
        is_random: bool = False,
        config: dict[str, Any] | None = None,
        resume: Path | None = None,
        begins: bool = False,
        **trainer: Any,
    ) -> DocumentClassification:
        torch.set_num_threads(1)
        pl.seed_everything(1, workers=True, verbose=False)
        pretrained = load_pretrained(str(tiny_bert))
        corpus = make_corpus().with_val_in_train()
        manifest = Manifest("single_label", LABELS, 16, 4, 4, provenance={"config": config or {}})
        module = DocumentClassification(pretrained, manifest, MODEL)
        plan = manifest.plan(pretrained.tokenizer)
        data = DocumentDataModule(corpus, pretrained.tokenizer, plan, batch_size=8, seed=1)
        settings = RunSettings(1, checkpoint_minutes=0)
        if resume is None and not begins:
            resume = tmp_path / folder / "checkpoints" / "last.ckpt"
            resume.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(first_checkpoint, resume)
        run = TrainingRun({**TRAINER, **trainer}, tmp_path / folder, settings, resume)
        metrics = run.refit(
            module, data, Fitted(tmp_path / "best.ckpt", kept, of, is_random, [], {})
        )
        assert metrics["train/refit_documents"] == 190
        assert metrics["train/seconds"] > 0
        return module

    return train


def weights(module: DocumentClassification) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def steps(folder: Path) -> int:
    return int(read_weights(folder / LAST)["global_step"])


def power_cut(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    def cut(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == at:
            raise PowerCutError

    monkeypatch.setattr(Speed, "on_train_batch_start", cut)


@pytest.mark.parametrize(("kept", "made"), [(40, 48), (20, 24), (28, 34), (0, 1)])
def test_it_makes_the_first_runs_share_of_the_steps(
    again: Again, tmp_path: Path, kept: int, made: int
) -> None:
    """Between two epochs and within one."""
    again("whole", kept)
    assert steps(tmp_path / "whole") == made


@pytest.mark.parametrize(
    ("trainer", "made"),
    [
        ({"max_epochs": None}, 216),  # 9 epochs by the number of documents
        ({"accumulate_grad_batches": 2}, 24),
        ({"max_steps": 30}, 30),
    ],
)
def test_of_its_own_schedule(
    again: Again, tmp_path: Path, trainer: dict[str, Any], made: int
) -> None:
    again("whole", **trainer)
    assert steps(tmp_path / "whole") == made


@pytest.mark.parametrize(
    "trainer",
    [{"min_epochs": 2}, {"min_steps": 40}, {"val_check_interval": 0.5}, {"val_check_interval": 1}],
)
def test_settings_of_validations_change_nothing(
    again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainer: dict[str, Any]
) -> None:
    """Neither its end nor that every step is kept (checkpoint_minutes=0)."""
    with monkeypatch.context() as patched:
        power_cut(patched, 7)
        with pytest.raises(PowerCutError):
            again("broken", **trainer)
    assert steps(tmp_path / "broken") == 7
    again("broken", 20, **trainer)
    assert steps(tmp_path / "broken") == 24


@pytest.mark.parametrize("kept", [40, 28])
@pytest.mark.parametrize("at", [1, 24, 30])
def test_it_goes_on_to_the_same_weights(
    again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, at: int
) -> None:
    whole = again("whole", kept)
    with monkeypatch.context() as patched:
        power_cut(patched, at)
        with pytest.raises(PowerCutError):
            again("broken", kept)
    assert steps(tmp_path / "broken") == at
    assert torch.equal(weights(whole), weights(again("broken", kept)))
    logs = [tmp_path / name / "logs" / "refit" / "metrics.csv" for name in ("whole", "broken")]
    assert logs[0].read_text(encoding="utf-8") == logs[1].read_text(encoding="utf-8")


@pytest.mark.parametrize("kept", [40, 20, 28])
def test_one_that_had_ended_trains_no_further(again: Again, tmp_path: Path, kept: int) -> None:
    ended = again("run", kept)
    made = steps(tmp_path / "run")
    assert torch.equal(weights(ended), weights(again("run", kept)))
    assert steps(tmp_path / "run") == made


@pytest.mark.parametrize(
    "other", [{"config": {"seed": 2}}, {"kept": 28}, {"of": 80}], ids=["run", "choice", "schedule"]
)
def test_after_another_first_run_it_begins_anew(
    again: Again, tmp_path: Path, other: dict[str, Any]
) -> None:
    """As when trainer.max_epochs was raised: a checkpoint of before is none to go on from."""
    again("run", config={"seed": 1})
    anew = again("run", **{"config": {"seed": 1}, **other})
    assert torch.equal(weights(anew), weights(again("fresh", **{"config": {"seed": 1}, **other})))
    assert steps(tmp_path / "run") == steps(tmp_path / "fresh")


def test_a_run_that_begins_anew_begins_this_anew(
    again: Again, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again("run")
    begun_at: list[int] = []
    monkeypatch.setattr(
        Speed, "on_train_start", lambda self, trainer, _: begun_at.append(trainer.global_step)
    )
    again("run", 4)
    again("run", 4)
    again("run", 4, begins=True)
    assert begun_at == [0, 5, 0]


def test_only_its_own_checkpoint_is_removed(again: Again, tmp_path: Path) -> None:
    again("run", 4)
    checkpoints = tmp_path / "run" / "checkpoints"
    foreign = checkpoints / "refit" / "notes.txt"
    foreign.touch()
    remove_refit(checkpoints)
    assert [file.name for file in foreign.parent.iterdir()] == ["notes.txt"]
    foreign.unlink()
    shutil.copy(checkpoints / "last.ckpt", foreign.with_name("last.ckpt"))
    remove_refit(checkpoints)
    assert foreign.with_name("last.ckpt").is_file()
    again("run", 4)
    remove_refit(checkpoints)
    assert not foreign.parent.exists()


def test_its_checkpoint_is_none_to_go_on_with_a_first_run(again: Again, tmp_path: Path) -> None:
    again("run")
    with pytest.raises(ConfigError, match=r"all of its documents.*resume=auto"):
        again("other", resume=tmp_path / "run" / LAST)


def test_beside_the_checkpoints_of_a_run_that_was_gone_on_with(
    again: Again, tmp_path: Path, first_checkpoint: Path
) -> None:
    """Where `resume=FILE` finds it again."""
    elsewhere = tmp_path / "elsewhere" / "last.ckpt"
    elsewhere.parent.mkdir()
    shutil.copy(first_checkpoint, elsewhere)
    again("other", resume=elsewhere)
    assert (elsewhere.parent / "refit" / "last.ckpt").is_file()
    assert not (tmp_path / "other" / "checkpoints").exists()


def test_the_layer_begins_as_the_first_runs_did(
    again: Again, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its validation documents are trained on by now and could not tell."""
    begun: list[bool] = []
    monkeypatch.setattr("lightning_modules.head_start.fit_head", lambda *_: begun.append(True))
    again("random", 4, is_random=True)
    assert not begun
    again("fitted", 4, is_random=False)
    assert begun
    assert "classification layer" not in capsys.readouterr().out


def test_a_random_layer_has_its_rate(again: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def noted(self: Speed, trainer: pl.Trainer, *_: object) -> None:
        rates.append(max(group["initial_lr"] for group in trainer.optimizers[0].param_groups))

    monkeypatch.setattr(Speed, "on_train_start", noted)
    again("random", 4, is_random=True)
    again("fitted", 4, is_random=False)
    assert rates == [pytest.approx(20 * MODEL.optimizer.lr), pytest.approx(MODEL.optimizer.lr)]


def test_one_that_diverges_says_what_to_give(again: Again, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: HeadStart, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, DocumentClassification)
        torch.nn.init.constant_(module.classifier.head.weight, torch.nan)

    monkeypatch.setattr(HeadStart, "on_fit_start", spoil)
    with pytest.raises(ConfigError, match="refit_up_to=0"):
        again("run", 4)
