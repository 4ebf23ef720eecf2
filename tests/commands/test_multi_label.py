"""Several labels a document, from a separator in a csv to the answer that a server would give."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from docsort.core.bundle import read_bundle
from handlers.docsort_handler import DocsortHandler
from tests.commands.conftest import Docsort, write_csv
from tests.handlers.conftest import PLAIN, Context, ask
from tests.lightning_modules.conftest import split


def rows(num: int, seed: int) -> list[dict[str, object]]:
    return [
        {"text": row["text"], "label": ";".join(row["label"])}
        for row in split(num, seed, several=True)
    ]


@pytest.fixture(scope="module")
def run(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished multi-label run with label smoothing and weights that it learns by."""
    from docsort.commands import main

    folder = tmp_path_factory.mktemp("multi-label")
    train = write_csv(folder / "train.csv", rows(160, 1))
    test = write_csv(folder / "test.csv", rows(30, 3))
    status = main(
        [
            *("train", "data=csv", f"data.train={train}", f"data.test={test}", *overrides),
            *("data.label_separator=';'", "model.label_smoothing=0.05"),
            *("model.class_weights=balanced", f"hydra.run.dir={folder / 'run'}"),
        ]
    )
    assert status == 0
    return folder / "run"


def test_thresholds_decide_what_is_predicted_and_measured(run: Path) -> None:
    bundle, table = read_bundle(run / "bundle"), pd.read_parquet(run / "predictions.parquet")
    thresholds = bundle.calibration.thresholds
    assert thresholds is not None
    assert set(thresholds) != {0.5}  # tuned
    probabilities = table[[f"probability/{label}" for label in bundle.labels]].to_numpy()
    given = probabilities >= thresholds
    for row, reached in zip(table.itertuples(), given, strict=True):
        assert set(row.predicted) == {
            n for n, yes in zip(bundle.labels, reached, strict=True) if yes
        }
    truth = [[label in labels for label in bundle.labels] for labels in table["label"]]
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test/micro_f1"] == pytest.approx(f1_score(truth, given, average="micro"))
    assert metrics["test/macro_f1"] == pytest.approx(f1_score(truth, given, average="macro"))
    assert metrics["test/macro_f1"] > 0.7  # it has learned something


def test_the_handler_answers_as_predicted(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(run / "bundle")
    handler = DocsortHandler()
    handler.initialize(Context(tmp_path))
    table = pd.read_parquet(run / "predictions.parquet")
    with (run.parent / "test.csv").open(encoding="utf-8") as stream:
        texts = [row["text"] for row in csv.DictReader(stream)]
    answers = ask(handler, *((PLAIN, texts[row].encode()) for row in table["row"]))
    for (status, answer), (_, row) in zip(answers, table.iterrows(), strict=True):
        assert status == 200
        assert answer["labels"] == row["predicted"].tolist()
        assert "label" not in answer
        for entry in answer["scores"]:
            assert entry["score"] == pytest.approx(row[f"probability/{entry['label']}"], abs=1e-5)


def test_reports_speak_of_several_labels(run: Path) -> None:
    assert "several a document" in (run / "audit.html").read_text(encoding="utf-8")
    assert "exactly the right labels" in (run / "report.html").read_text(encoding="utf-8")
    assert "multi-label" in (run / "bundle" / "README.md").read_text(encoding="utf-8")


def test_evaluation_of_the_bundle_gives_the_runs_figures(
    run: Path, docsort: Docsort, tmp_path: Path
) -> None:
    status, _, err = docsort(
        *("evaluate", f"bundle={run / 'bundle'}", f"data.test={run.parent / 'test.csv'}"),
        *("data.label_separator=';'", f"hydra.run.dir={tmp_path}"),
    )
    assert status == 0, err
    again = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    first = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    for name in ("test/macro_f1", "test/mean_average_precision", "test/loss"):
        assert again[name] == pytest.approx(first[name], abs=1e-6)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_scored_documents_are_evaluated_as_predicted(
    docsort: Docsort, run: Path, tmp_path: Path, kind: str
) -> None:
    """Documents without labels included, whose cell is not empty."""
    texts = [{"text": row["text"]} for row in rows(30, 3)] + [{"text": "zzz qqq"}]
    source = write_csv(tmp_path / "new.csv", texts)
    output = tmp_path / f"scored.{kind}"
    bundle = run / "bundle"
    status, out, err = docsort("score", "--bundle", bundle, "--input", source, "--output", output)
    assert status == 0, err
    assert ("data.label_separator=';'" in out) is (kind == "csv")
    status, _, err = docsort(
        *("evaluate", f"bundle={bundle}", f"data.test={output}", "data.label_column=predicted"),
        *("data.label_separator=';'", f"hydra.run.dir={tmp_path / 'evaluated'}"),
    )
    assert status == 0, err
    metrics = json.loads((tmp_path / "evaluated" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test/accuracy"] == 1
    assert len(pd.read_parquet(tmp_path / "evaluated" / "predictions.parquet")) == 31
