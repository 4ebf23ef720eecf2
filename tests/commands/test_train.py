"""`docsort train`: the files it leaves, what they say, and what it refuses before it begins."""

import json
import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import accuracy_score, f1_score

from docsort.core.bundle import read_bundle, verify_files
from docsort.core.golden import check_golden
from docsort.core.scorer import Scorer
from lightning_modules.callbacks import Speed
from lightning_modules.fit import TrainingRun
from lightning_modules.trainer import cpu_precision
from tests.commands.conftest import JOB_FILES, Docsort, Trained, job_files, toy_rows, write_csv
from tests.core.test_disk import files_at_most


def test_files_of_a_run(trained: Trained) -> None:
    names = {path.name for path in trained.run.iterdir()}
    assert {
        "bundle",
        "metrics.json",
        "predictions.parquet",
        "report.html",
        "audit.json",
        "audit.html",
        "checkpoints",
        ".hydra",
    } <= names
    assert job_files(trained.run) == JOB_FILES
    bundle = read_bundle(trained.bundle)
    verify_files(bundle)
    assert bundle.labels == ("finance", "medicine", "sport")
    provenance = bundle.provenance
    assert provenance["name"] == "toy"
    assert provenance["config"]["model"]["window"] == 16
    assert provenance["config"]["trainer"]["precision"] == cpu_precision()  # not the null it was
    assert len(provenance["base_model"]["weights_sha256"]) == 64
    assert provenance["metrics"]["test/accuracy"] > 0
    assert "README.md" in bundle.files
    assert "test.csv" in " ".join(provenance["data"])


def test_predictions_are_the_written_bundles(trained: Trained) -> None:
    table = pd.read_parquet(trained.run / "predictions.parquet")
    source = pd.read_csv(trained.test, keep_default_na=False)
    assert table["row"].tolist() == [row for row in range(25) if row != 5]
    assert table["label"].tolist() == source["label"][table["row"]].tolist()
    scorer = Scorer.load(trained.bundle)
    predictions = scorer.score(source["text"][table["row"]].tolist())
    given = table[[f"probability/{label}" for label in scorer.labels]].to_numpy()
    expected = np.stack([prediction.probabilities for prediction in predictions])
    np.testing.assert_allclose(given, expected, atol=1e-6)
    assert table["tokens"].tolist() == [prediction.receipt.tokens for prediction in predictions]
    assert table["predicted"].tolist() == [scorer.labels[c] for c in expected.argmax(1)]
    np.testing.assert_allclose(table["score"], expected.max(1), atol=1e-6)


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("train", "+lr=1e-4", "lr is no key of docsort train; perhaps model.optimizer.lr is meant"),
        ("train", "+max_epoch=1", "perhaps trainer.max_epochs is meant"),
        ("audit", "+nonsense=1", "nonsense is no key of docsort audit; docsort audit --help"),
        ("evaluate", "++sed=1", "sed is no key of docsort evaluate"),
    ],
)
def test_a_key_that_hydra_would_take_and_nobody_reads(
    docsort: Docsort, trained: Trained, tmp_path: Path, verb: str, given: str, said: str
) -> None:
    run = tmp_path / "run"
    status, _, err = docsort(verb, f"data.test={trained.test}", given, f"hydra.run.dir={run}")
    assert status == 2
    assert said in err
    assert not run.exists()


def test_val_and_test_are_scored_where_it_trained(
    docsort: Docsort,
    trained: Trained,
    overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a GPU; the golden documents on the CPU all the same."""
    asked, to = [], Scorer.to

    def asking(scorer: Scorer, device: str) -> Scorer:
        asked.append(device)
        return to(scorer, "cpu")

    monkeypatch.setattr(TrainingRun, "device", "cuda:0")
    monkeypatch.setattr("docsort.core.scorer.check_device", lambda device: None)
    monkeypatch.setattr(Scorer, "to", asking)
    data = ["data=csv", f"data.train={trained.train}", f"data.test={trained.test}"]
    status, _, _ = docsort("train", *data, *overrides, f"hydra.run.dir={tmp_path / 'run'}")
    assert (status, asked) == (0, ["cuda:0", "cpu", "cuda:0"])


def test_metrics_are_those_of_the_predictions(trained: Trained) -> None:
    metrics = json.loads((trained.run / "metrics.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(trained.run / "predictions.parquet")
    truth, predicted = table["label"], table["predicted"]
    assert metrics["test/accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    macro_f1 = f1_score(truth, predicted, average="macro")
    assert metrics["test/macro_f1"] == pytest.approx(macro_f1)
    for name in ("val/macro_f1", "baseline/test/accuracy", "train/docs_per_s", "train/seconds"):
        assert metrics[name] > 0
    assert metrics["test/accuracy"] > 0.7  # it has learned something


def test_the_linear_model_counts_as_validation_says(trained: Trained) -> None:
    bundle = read_bundle(trained.bundle)
    assert bundle.calibration.linear_weight > 0
    assert "linear.safetensors" in bundle.files
    assert bundle.provenance["metrics"]["encoder/val/accuracy"] > 0


def test_golden_documents_are_held_out_and_answered(trained: Trained) -> None:
    scorer = Scorer.load(trained.bundle)
    difference = check_golden(
        trained.bundle, lambda texts: np.stack([p.probabilities for p in scorer.score(texts)])
    )
    assert difference <= 1e-5
    lines = (trained.bundle / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    held_out = {row["text"] for row in toy_rows(24, 3)}
    assert {json.loads(line)["text"] for line in lines} <= held_out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("data.train=nowhere.csv", "nowhere.csv"),
        ("data.text_column=body", "body"),
        ("data.label_column=topic", "topic"),
        ("model.overlap=16", r"model\.overlap=16"),
        ("model.overlap=14", r"model\.overlap=14"),
        ("model.window=65", r"model\.window=65.*64 positions"),
        ("model.sha256=" + "0" * 64, "SHA-256"),
        ("model.pooling=median", r"model\.pooling=median"),
        ("model.no_such_key=1", "no_such_key"),
        ("+model.no_such_key=1", "no_such_key"),
        ("no_such_group=x", "no_such_group"),
        ("model=no_such_model", "no_such_model"),
        ("patience=${oc.env:DOCSORT_NO_SUCH_VARIABLE}", "DOCSORT_NO_SUCH_VARIABLE"),
        ("data.batch_size=0", r"data\.batch_size"),
        ("resume=nowhere.ckpt", "nowhere.ckpt"),
        ("trainer.no_such_key=1", "no_such_key"),
        ("+trainer.no_such_key=1", "no_such_key"),
        ("trainer.precision=17-mixed", r"trainer\.precision=17-mixed.*32-true or bf16-mixed"),
        ("trainer.precision=bf16-true", r"trainer\.precision=bf16-true.*bf16-mixed"),
        ("trainer.precision=16-mixed", r"trainer\.precision=16-mixed.*32-true or bf16-mixed \("),
        ("trainer.strategy=ddp_spawn", r"trainer\.strategy=ddp_spawn.*auto or ddp"),
        ("trainer.accelerator=mps", r"trainer\.accelerator=mps.*cpu, gpu"),
        ("trainer.max_epochs=0", r"trainer\.max_epochs=0.*null or a whole number from 1 up"),
        ("trainer.max_epochs=-1", r"trainer\.max_epochs=-1.*from 1 up"),
        ("trainer.max_steps=0", r"trainer\.max_steps=0.*-1 for none"),
        ("trainer.accumulate_grad_batches=0", r"accumulate_grad_batches=0.*from 1 up"),
        ("trainer.log_every_n_steps=often", r"log_every_n_steps=often.*from 1 up"),
        ("trainer.gradient_clip_val=-1", r"gradient_clip_val=-1.*from 0 up"),
        ("trainer.val_check_interval=0", r"val_check_interval=0 .*from 1 up"),
        ("+trainer.limit_val_batches=0", r"limit_val_batches=0 .*over 0\.0 to 1\.0"),
        ("+trainer.limit_train_batches=0", r"limit_train_batches=0 .*over 0\.0 to 1\.0"),
        ("+trainer.check_val_every_n_epoch=2", r"check_val_every_n_epoch=2 .*1, or null"),
        ("+trainer.fast_dev_run=true", r"fast_dev_run=True.*trainer\.max_steps"),
        ("model.window=abc", r"model\.window=abc.*a whole number"),
        ("model.optimizer.lr=fast", r"model\.optimizer\.lr=fast.*a number"),
        ("model.class_weights=even", r"model\.class_weights=even.*balanced"),
        ("model.class_weights={sport: 0}", r"model\.class_weights=\{sport: 0\}.*over 0"),
        ("seed=abc", "seed=abc"),
        ("seed=-1", "seed=-1.* from 0 to 4294967295"),
        ("seed=4294967296", "seed=4294967296.* from 0 to 4294967295"),
        ("patience=0", "patience=0"),
        ("refit_up_to=-1", "refit_up_to=-1.*0 for never"),
        ("refit_up_to=0.5", "refit_up_to=0.5"),
    ],
)
def test_refused_with_a_clear_error(
    docsort: Docsort,
    trained: Trained,
    overrides: list[str],
    tmp_path: Path,
    change: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = ["data=csv", f"data.train={trained.train}"]

    def too_late(*_: object) -> None:
        raise AssertionError("read the corpus first")

    if not change.startswith("data."):
        monkeypatch.setattr("docsort.commands.run_inputs.load_corpus", too_late)
    run = tmp_path / "run"
    status, _, err = docsort("train", *data, *overrides, f"hydra.run.dir={run}", change)
    assert status == 2
    assert "Traceback" not in err
    assert re.search(said, err), err
    assert not run.exists()


def test_validations_further_apart_than_an_epoch_are_refused(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    """Known once the documents are counted, and before they are audited."""
    run, data = tmp_path / "run", ["data=csv", f"data.train={trained.train}"]
    status, _, err = docsort(
        *("train", *data, *overrides, "trainer.val_check_interval=500", f"hydra.run.dir={run}")
    )
    assert status == 2
    assert re.search(r"trainer\.val_check_interval=500 is not .* or \d+ batches at most", err), err
    assert not run.exists()


def test_a_diverging_run_ends_without_a_traceback(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    status, _, err = docsort(
        *("train", *trained.data),
        *(*overrides, "model.optimizer.lr=1e6", f"hydra.run.dir={tmp_path / 'run'}"),
    )
    assert status == 2
    assert "Traceback" not in err
    assert re.search(
        r"validation loss is no number after epoch 1.*model\.optimizer\.lr=1e\+06", err
    )
    assert not (tmp_path / "run" / "bundle").exists()


def test_a_finished_run_is_not_trained_over(
    docsort: Docsort, trained: Trained, overrides: list[str]
) -> None:
    files = sorted(trained.run.rglob("*.*"))
    before = [file.read_bytes() for file in files if file.is_file()]
    status, _, err = docsort(
        *("train", "data=csv", f"data.train={trained.train}", *overrides),
        *("seed=7", f"hydra.run.dir={trained.run}"),
    )
    assert status == 2
    assert "holds a finished run" in err
    assert [file.read_bytes() for file in files if file.is_file()] == before
    assert sorted(trained.run.rglob("*.*")) == files
    asked = yaml.safe_load((trained.run / ".hydra" / "overrides.yaml").read_text(encoding="utf-8"))
    assert f"data.train={trained.train}" in asked


def test_a_finished_run_asked_for_again(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    """It is the same run, wherever its data are by now, or it is refused."""
    moved = shutil.copy(trained.train, tmp_path / "moved.csv")
    other = write_csv(tmp_path / "other.csv", toy_rows(160, 7))
    again = ["train", "data=csv", *overrides, f"data.test={trained.test}", "resume=auto"]
    again += ["refit_up_to=1000", f"hydra.run.dir={trained.run}"]
    before = (trained.run / "logs" / "metrics.csv").read_bytes()
    status, out, err = docsort(*again, f"data.train={moved}")
    assert status == 0, err
    assert out.startswith(f"finished before\nbundle  {trained.bundle}")
    for change, said in (
        ([f"data.train={other}"], "trained on other data"),
        ([f"data.train={moved}", "model.dropout=0.9"], r"model\.dropout=0\.\d"),
    ):
        status, _, err = docsort(*again, *change)
        assert status == 2
        assert re.search(f"holds a finished run, and it was .*{said}.*another folder", err), err
    assert (trained.run / "logs" / "metrics.csv").read_bytes() == before


def test_a_finished_run_is_not_trained_longer(
    docsort: Docsort, trained: Trained, overrides: list[str]
) -> None:
    status, _, err = docsort(
        *("train", *trained.data, *overrides, "refit_up_to=1000", "trainer.max_epochs=9"),
        *("resume=auto", f"hydra.run.dir={trained.run}"),
    )
    assert status == 2
    assert "trainer.max_epochs=6 (now 9), and nothing more is trained" in err


@pytest.mark.parametrize("left_out", ["seed", "logger"])
def test_a_setting_that_is_left_out(docsort: Docsort, tmp_path: Path, left_out: str) -> None:
    status, _, err = docsort("train", f"~{left_out}", f"hydra.run.dir={tmp_path / 'run'}")
    assert status == 2
    assert f"~{left_out} leaves out a setting that docsort train reads" in err


def test_a_finished_runs_checkpoint_is_not_replaced(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    checkpoint = trained.run / "checkpoints" / "last.ckpt"
    status, _, err = docsort(
        *("train", "data=csv", f"data.train={trained.train}", *overrides),
        *(f"resume={checkpoint}", f"hydra.run.dir={tmp_path}"),
    )
    assert status == 2
    assert f"copy it to {tmp_path / 'checkpoints' / 'last.ckpt'} and give resume=auto" in err


def test_a_stopped_run_with_other_settings_is_refused_before_anything_is_written(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(trained.run / "checkpoints" / "last.ckpt", tmp_path / "checkpoints")
    status, _, err = docsort(
        *("train", *trained.data),
        *(*overrides, "model.dropout=0.9", "resume=auto", f"hydra.run.dir={tmp_path}"),
    )
    assert status == 2
    assert re.search(r"it was trained with .*model\.dropout=0\.\d", err), err
    assert {file.name for file in tmp_path.iterdir()} <= {"checkpoints", "train.log"}


def test_a_foreign_checkpoint_to_go_on_from(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    """Same number of labels, other names: it would load, and answer wrongly."""
    train = write_csv(
        tmp_path / "train.csv",
        [{**row, "label": f"other {row['label']}"} for row in toy_rows(60, 1)],
    )
    checkpoint = shutil.copy(trained.run / "checkpoints" / "last.ckpt", tmp_path)
    status, _, err = docsort(
        *("train", "data=csv", f"data.train={train}", *overrides, f"resume={checkpoint}"),
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert status == 2
    assert "its labels are not this run's" in err


def test_a_disk_that_fills_up_while_training(
    docsort: Docsort,
    trained: Trained,
    overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the figures go; nothing else is written within an epoch."""
    log = tmp_path / "logs" / "metrics.csv"
    with ExitStack() as full:

        def fill_up(self: Speed, *_: object) -> None:
            if log.is_file():
                full.enter_context(files_at_most(log.stat().st_size))
                monkeypatch.undo()

        monkeypatch.setattr(Speed, "on_train_batch_start", fill_up)
        status, _, err = docsort(
            *("train", "data=csv", f"data.train={trained.train}", *overrides),
            *("trainer.log_every_n_steps=1", f"hydra.run.dir={tmp_path}"),
        )
    assert status == 2
    assert "Traceback" not in err
    assert re.search(f"^docsort train: {tmp_path} could not be written.*make room", err, re.M), err


def test_a_label_that_training_never_saw(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    rows = [*toy_rows(10, 5), {"text": "the wheel of the car", "label": "engineering"}]
    test = write_csv(tmp_path / "test.csv", rows)
    status, _, err = docsort(
        *("train", "data=csv", f"data.train={trained.train}", f"data.test={test}", *overrides),
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert status == 2
    assert "engineering" in err
