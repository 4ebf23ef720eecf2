"""`docsort evaluate` refuses what it can't measure, and says which rows it left out."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.commands.conftest import JOB_FILES, Docsort, Trained, job_files, toy_rows, write_csv


def test_rows_left_out_are_named(docsort: Docsort, trained: Trained, tmp_path: Path) -> None:
    status, out, err = docsort(
        *("evaluate", f"bundle={trained.bundle}", f"data.test={trained.test}"),
        f"hydra.run.dir={tmp_path}",
    )
    assert status == 0, err
    assert "test.csv: 25 records, 1 left out (empty text 1), 24 documents (evaluated 24)\n" in out
    assert "test.csv: 1 row (5) with an empty text." in " ".join(out.split())
    assert job_files(tmp_path) == JOB_FILES
    assert "rows left out: empty text" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_documents_without_a_token_are_left_out_of_metrics_and_predictions(
    docsort: Docsort, trained: Trained, tmp_path: Path
) -> None:
    rows = [
        *toy_rows(12, 5),
        *({"text": t, "label": "sport"} for t in ("\u200b", "\u0301", "\ufffd")),
    ]
    test = write_csv(tmp_path / "odd.csv", rows)
    status, out, err = docsort(
        *("evaluate", f"bundle={trained.bundle}", f"data.test={test}"),
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert status == 0, err
    assert "odd.csv: 3 rows (12, 13, 14) with an empty text." in " ".join(out.split())
    predictions = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    right = [row["predicted"] == row["label"] for row in predictions]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert len(right) == 12
    assert metrics["test/accuracy"] == pytest.approx(sum(right) / 12)


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("train", "train.csv has the SHA-256 of a file that this model was trained on"),
        ("test", "test.csv has the SHA-256 of the test file of this model's own training"),
    ],
)
def test_a_file_of_the_models_own_training_is_told(
    docsort: Docsort, trained: Trained, tmp_path: Path, split: str, said: str
) -> None:
    file, run = getattr(trained, split), tmp_path / "run"
    arguments = (f"bundle={trained.bundle}", f"data.test={file}", f"hydra.run.dir={run}")
    status, out, err = docsort("evaluate", *arguments)
    assert status == 0, err
    assert said in " ".join(out.split())
    assert ("test/accuracy" in out.partition("trained on")[2][:300]) == (split == "train")
    assert said in json.loads((run / "provenance.json").read_text(encoding="utf-8"))["used before"]
    assert "used before" in (run / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("of_training", ["bundle", "checkpoints"])
def test_a_training_runs_folder_is_refused(
    docsort: Docsort, tmp_path: Path, of_training: str
) -> None:
    (tmp_path / of_training).mkdir()
    (tmp_path / "metrics.json").write_text("{}", encoding="utf-8")
    status, _, err = docsort(
        *("evaluate", f"bundle={tmp_path / 'bundle'}", "data.test=test.csv"),
        f"hydra.run.dir={tmp_path}",
    )
    assert status == 2
    assert f"hydra.run.dir={tmp_path} holds a training run" in err
    assert "name another folder" in err
    assert not (tmp_path / ".hydra").exists()
    assert (tmp_path / "metrics.json").read_text(encoding="utf-8") == "{}"


def test_one_that_is_killed_while_it_writes_is_not_finished(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("docsort.commands.evaluate.write_report", killed)
    status, _, _ = docsort(
        *("evaluate", f"bundle={trained.bundle}", f"data.test={trained.test}"),
        f"hydra.run.dir={tmp_path}",
    )
    assert status == 130
    assert (tmp_path / "predictions.parquet").exists()
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize("labels", [["sport", "medicine"], []])
def test_lists_of_labels_are_refused_by_a_single_label_bundle(
    docsort: Docsort, trained: Trained, tmp_path: Path, labels: list[str]
) -> None:
    file = tmp_path / "lists.jsonl"
    file.write_text(json.dumps({"text": "a goal", "label": labels}) + "\n", encoding="utf-8")
    status, _, err = docsort(
        *("evaluate", f"bundle={trained.bundle}", f"data.test={file}"), f"hydra.run.dir={tmp_path}"
    )
    assert status == 2
    assert "has lists of labels, but the model gives one" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data=library_docs", "bundle=x"], "data.source=library_docs can't be evaluated on"),
        # neither model nor file is there: what is missing on the command line is told first
        (["data.test=nowhere.csv"], "give one of bundle=DIR and checkpoint=FILE"),
    ],
)
def test_settings_are_checked_before_anything_is_read(
    docsort: Docsort, tmp_path: Path, arguments: list[str], said: str
) -> None:
    run = tmp_path / "run"
    status, _, err = docsort("evaluate", *arguments, f"hydra.run.dir={run}")
    assert status == 2
    assert said in err
    assert not run.exists()


def test_evaluate_reads_as_the_bundle_was_trained_unless_told(
    docsort: Docsort, trained: Trained, tmp_path: Path
) -> None:
    bundle = shutil.copytree(trained.bundle, tmp_path / "bundle")
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    manifest["provenance"]["config"]["data"] |= {"text_column": "body", "quoting": "none"}
    (bundle / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    rows = [f'"{row["text"]}\t{row["label"]}' for row in toy_rows(2, 3)]
    file = tmp_path / "test.tsv"
    file.write_text("\n".join(["body\tlabel", *rows]) + "\n", encoding="utf-8")
    arguments = ("evaluate", f"bundle={bundle}", f"data.test={file}")
    status, out, err = docsort(*arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert status == 0, err
    assert "as the bundle was trained: data.text_column=body" in out
    assert len(pd.read_parquet(tmp_path / "run" / "predictions.parquet")) == 2
    status, _, err = docsort(*arguments, "data.quoting=auto", f"hydra.run.dir={tmp_path / 'no'}")
    assert status == 2
    assert "record 2, which begins in line 2, has text behind" in err
