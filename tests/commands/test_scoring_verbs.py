"""`docsort evaluate` and `docsort classify`: the bundle's own answers."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from docsort.core.scorer import Scorer
from lightning_modules.checkpoints import scorer_from_checkpoint
from tests.commands.conftest import Docsort, Trained, write_csv

TEXTS = ["the bank and the profit", "a goal in the match", "patient drug"]


@pytest.mark.parametrize("kind", ["bundle", "checkpoint"])
def test_evaluate_a_bundle_and_its_checkpoint(
    docsort: Docsort, trained: Trained, tmp_path: Path, kind: str
) -> None:
    """The checkpoint is the encoder alone, so its answers are not the bundle's."""
    checkpoint = trained.run / "checkpoints" / "best.ckpt"
    what = trained.bundle if kind == "bundle" else checkpoint
    status, _, err = docsort(
        "evaluate", f"{kind}={what}", f"data.test={trained.test}", f"hydra.run.dir={tmp_path}"
    )
    assert status == 0, err
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("The temperature," in report) is (kind == "bundle")
    assert ("Nothing was calibrated: a checkpoint" in report) is (kind == "checkpoint")
    scorer = Scorer.load(what) if kind == "bundle" else scorer_from_checkpoint(checkpoint)
    given = pd.read_parquet(tmp_path / "predictions.parquet")
    trained_gave = pd.read_parquet(trained.run / "predictions.parquet")
    labels = [f"probability/{label}" for label in scorer.labels]
    ours = ["row", "label", "predicted", "score", *labels, "tokens", "tokens_read", "answered_by"]
    assert given.columns.tolist() == ours
    assert given["row"].tolist() == trained_gave["row"].tolist()
    texts = pd.read_csv(trained.test, keep_default_na=False)["text"][given["row"]].tolist()
    expected = np.stack([prediction.probabilities for prediction in scorer.score(texts)])
    np.testing.assert_allclose(given[labels], expected, atol=1e-6)
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test/accuracy"] == (given["predicted"] == given["label"]).mean()
    if kind == "bundle":
        trained_metrics = json.loads((trained.run / "metrics.json").read_text(encoding="utf-8"))
        assert metrics["test/accuracy"] == trained_metrics["test/accuracy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data.test=x.csv"], "one of bundle=DIR and checkpoint=FILE"),
        (["bundle=nowhere"], "data.test is missing"),
    ],
)
def test_evaluate_needs_a_model_and_a_file(
    docsort: Docsort, trained: Trained, tmp_path: Path, arguments: list[str], said: str
) -> None:
    arguments = [a.replace("x.csv", str(trained.test)) for a in arguments]
    status, _, err = docsort("evaluate", *arguments, f"hydra.run.dir={tmp_path}")
    assert status == 2
    assert said in err


def test_evaluate_refuses_labels_that_the_model_does_not_know(
    docsort: Docsort, trained: Trained, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "t.csv", [{"text": "the wheel", "label": "engineering"}])
    status, _, err = docsort(
        "evaluate", f"bundle={trained.bundle}", f"data.test={file}", f"hydra.run.dir={tmp_path}"
    )
    assert status == 2
    assert "'engineering'" in err


def test_classify_arguments_files_and_standard_input(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = Scorer.load(trained.bundle)
    expected = [scorer.decide(p.probabilities)[0] for p in scorer.score(TEXTS)]
    file = tmp_path / "document.txt"
    file.write_text(TEXTS[2], encoding="utf-8")
    status, out, _ = docsort(
        "classify", "--bundle", trained.bundle, "--json", *TEXTS[:2], "--file", file
    )
    assert status == 0
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["label"] for answer in answers] == expected
    assert answers[0]["model"]["name"] == "toy"

    stdin = io.TextIOWrapper(io.BytesIO(TEXTS[0].encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    status, out, _ = docsort("classify", "--bundle", trained.bundle)
    assert status == 0
    assert expected[0] in out
    assert "5 of 5" in out  # the receipt


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "http://127.0.0.1:9", "a"], "--model"),
        (["--bundle", "nowhere", "a"], "nowhere is not a bundle"),
        (["--bundle", "nowhere", " "], "empty"),
        (["--bundle", "nowhere", "--file", "no.txt"], "no.txt"),
        (["--bundle", "nowhere", "--model", "toy", "a"], "--model toy is for a server"),
        (["--bundle", "nowhere", "--version", "1.0", "a"], "--version 1.0 is for a server"),
        (["--bundle", "nowhere", *["a"] * 300, " "], "document 300: "),
    ],
)
def test_classify_refuses(docsort: Docsort, arguments: list[str], said: str) -> None:
    status, _, err = docsort("classify", *arguments)
    assert status == 2
    assert said in err


def test_classify_any_number_of_documents(docsort: Docsort, trained: Trained) -> None:
    texts = TEXTS * 100
    status, out, err = docsort("classify", "--bundle", trained.bundle, "--json", *texts)
    assert status == 0, err
    labels = [json.loads(line)["label"] for line in out.splitlines()]
    scorer = Scorer.load(trained.bundle)
    assert labels == [scorer.decide(p.probabilities)[0] for p in scorer.score(TEXTS)] * 100


def test_classify_names_a_document_without_tokens_by_its_place_among_all(
    docsort: Docsort, trained: Trained
) -> None:
    status, out, err = docsort("classify", "--bundle", trained.bundle, *["a"] * 270, "\u200b")
    assert (status, out) == (2, "")
    assert "document 270: " in err
