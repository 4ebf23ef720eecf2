"""`docsort evaluate`, `classify` and `score`: the bundle's own answers, whole files, resuming."""

import gzip
import io
import itertools
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from docsort.commands import score
from docsort.commands.prediction_columns import prediction_columns
from docsort.commands.score_parts import sole_parts
from docsort.core.scorer import Scorer
from docsort.core.windows import Receipt
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


def rows(num: int) -> list[dict[str, object]]:
    return [{"id": f"{i:04}", "text": TEXTS[i % 3], "note": 'a "b", c\nd'} for i in range(num)]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_score_keeps_every_column_and_row(
    docsort: Docsort, trained: Trained, tmp_path: Path, kind: str
) -> None:
    frame = pd.DataFrame(rows(20))
    source, output = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    write, read = FORMATS[kind]
    write(frame, source)
    status, out, err = docsort(
        "score", "--bundle", trained.bundle, "--input", source, "--output", output
    )
    assert status == 0, err
    assert "20 rows" in out
    given = read(output)
    for column in frame:
        assert given[column].tolist() == frame[column].tolist()
    scorer = Scorer.load(trained.bundle)
    predictions = scorer.score(frame["text"].tolist())
    probabilities = np.stack([prediction.probabilities for prediction in predictions])
    columns = [f"probability/{label}" for label in scorer.labels]
    np.testing.assert_allclose(given[columns].astype(float).to_numpy(), probabilities, atol=1e-6)
    assert sorted(os.listdir(tmp_path)) == sorted([source.name, output.name])


FORMATS = {
    "csv": (
        lambda frame, path: frame.to_csv(path, index=False),
        lambda path: pd.read_csv(path, dtype={"id": str}),
    ),
    "tsv": (
        lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
        lambda path: pd.read_csv(path, dtype={"id": str}, sep="\t"),
    ),
    "jsonl": (
        lambda frame, path: frame.to_json(path, orient="records", lines=True),
        lambda path: pd.read_json(path, lines=True, dtype={"id": str}),
    ),
    "parquet": (lambda frame, path: frame.to_parquet(path), pd.read_parquet),
}


def test_score_goes_on_where_it_stopped(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "CHUNK_ROWS", 4)
    source, output = write_csv(tmp_path / "in.csv", rows(18)), tmp_path / "out.csv"
    arguments = ("score", "--bundle", trained.bundle, "--input", source, "--output", output)
    scored: list[int] = []
    real = Scorer.score

    def dies_in_third_chunk(self: Scorer, texts: list[str]) -> list[object]:
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(len(texts))
        return real(self, texts)  # type: ignore[return-value]

    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "score", dies_in_third_chunk)
        assert docsort(*arguments)[0] == 130
    assert not output.exists()

    # and what a run that was killed while it joined them leaves beside its chunks
    (tmp_path / "out.csv.partial" / "joined").write_text("id,te", encoding="utf-8")
    again: list[int] = []

    def counts(self: Scorer, texts: list[str]) -> list[object]:
        again.append(len(texts))
        return real(self, texts)  # type: ignore[return-value]

    monkeypatch.setattr(Scorer, "score", counts)
    assert docsort(*arguments)[0] == 0
    assert (scored, again) == ([4, 4], [4, 4, 2])
    assert len(pd.read_csv(output)) == 18
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.csv"]


def test_score_does_not_mix_two_jobs(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write_csv(tmp_path / "in.csv", rows(6)), tmp_path / "out.csv"
    arguments = ("score", "--bundle", trained.bundle, "--input", source, "--output", output)
    with monkeypatch.context() as patched:
        patched.setattr(score, "_join", lambda *_: None)
        docsort(*arguments)
    write_csv(source, rows(7))
    status, _, err = docsort(*arguments)
    assert status == 2
    assert "out.csv.partial belongs to another input" in err


def test_score_uses_no_parts_of_an_unknown_job(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write_csv(tmp_path / "in.csv", rows(6)), tmp_path / "out.csv"
    arguments = ("score", "--bundle", trained.bundle, "--input", source, "--output", output)
    with monkeypatch.context() as patched:
        patched.setattr(score, "_join", lambda *_: None)
        docsort(*arguments)
    (tmp_path / "out.csv.partial" / "job.json").unlink()
    write_csv(source, rows(6)[::-1])
    assert docsort(*arguments)[0] == 0
    scorer = Scorer.load(trained.bundle)
    expected = [scorer.decide(p.probabilities)[0] for p in scorer.score(TEXTS)]
    assert len(set(expected)) > 1
    assert pd.read_csv(output)["predicted"].tolist() == (expected * 2)[::-1]
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.csv"]


def test_score_runs_once_at_a_time_for_an_output(
    docsort: Docsort, trained: Trained, tmp_path: Path
) -> None:
    source, output = write_csv(tmp_path / "in.csv", rows(2)), tmp_path / "out.csv"
    arguments = ("score", "--bundle", trained.bundle, "--input", source, "--output", output)
    with sole_parts(output):
        status, _, err = docsort(*arguments)
    assert status == 2
    assert f"another docsort score writes {output}" in err
    assert docsort("score", "--bundle", "nowhere", *arguments[3:])[0] == 2
    assert os.listdir(tmp_path) == ["in.csv"]
    assert docsort(*arguments)[0] == 0


@pytest.mark.parametrize("place", ["in.csv/out.csv", "/proc/none/out.csv", "o" * 300 + ".csv"])
def test_score_refuses_a_place_that_cannot_be_written_before_the_bundle_is_read(
    docsort: Docsort, tmp_path: Path, place: str
) -> None:
    source = write_csv(tmp_path / "in.csv", rows(2))
    output = tmp_path / place
    status, _, err = docsort("score", "--bundle", "nowhere", "--input", source, "--output", output)
    assert status == 2
    assert f"{output} can't be written" in err
    assert os.listdir(tmp_path) == ["in.csv"]


def test_score_does_not_replace_what_another_run_has_just_finished(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = write_csv(tmp_path / "in.csv", rows(2)), tmp_path / "out.csv"
    real = score.read_plain

    def the_other_ends(path: Path) -> object:
        output.write_text("the other's", encoding="utf-8")
        return real(path)

    monkeypatch.setattr(score, "read_plain", the_other_ends)
    status, _, err = docsort(
        "score", "--bundle", trained.bundle, "--input", source, "--output", output
    )
    assert status == 2
    assert "is there already" in err
    assert output.read_text(encoding="utf-8") == "the other's"
    assert sorted(os.listdir(tmp_path)) == ["in.csv", "out.csv"]


def test_score_does_not_mix_two_calibrations(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = shutil.copytree(trained.bundle, tmp_path / "bundle")
    source, output = write_csv(tmp_path / "in.csv", rows(6)), tmp_path / "out.csv"
    arguments = ("score", "--bundle", bundle, "--input", source, "--output", output)
    with monkeypatch.context() as patched:
        patched.setattr(score, "_join", lambda *_: None)
        assert docsort(*arguments)[0] == 0
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    manifest["calibration"]["temperature"] *= 2
    (bundle / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    status, _, err = docsort(*arguments)
    assert status == 2
    assert "out.csv.partial belongs to another" in err


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_score_predicts_nothing_of_an_empty_text(
    docsort: Docsort, trained: Trained, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "CHUNK_ROWS", 2)  # the first part has no prediction at all
    source, output = tmp_path / "in.jsonl", tmp_path / f"out.{kind}"
    texts = [None, " ", TEXTS[0], ""]
    pd.DataFrame({"text": texts}).to_json(source, orient="records", lines=True)
    status, _, err = docsort(
        "score", "--bundle", trained.bundle, "--input", source, "--output", output
    )
    assert status == 0, err
    given = FORMATS[kind][1](output)
    ours = [c for c in given if c in ("predicted", "score") or c.startswith("probability/")]
    assert len(ours) == 2 + len(Scorer.load(trained.bundle).labels)
    for column in ours:
        assert given[column].notna().tolist() == [False, False, True, False]
    assert given["tokens"].tolist()[:2] == [0, 0]


def test_score_twice_gives_every_column_a_name_of_its_own(
    docsort: Docsort, trained: Trained, tmp_path: Path
) -> None:
    files = [tmp_path / f"{i}.csv" for i in range(4)]
    write_csv(files[0], rows(3))
    for source, output in itertools.pairwise(files):
        status, _, err = docsort(
            "score", "--bundle", trained.bundle, "--input", source, "--output", output
        )
        assert status == 0, err
    given = pd.read_csv(files[3])
    assert given.columns.is_unique
    assert "docsort/docsort/predicted" in given
    assert given["docsort/docsort/predicted"].tolist() == given["predicted"].tolist()


def test_score_keeps_optional_fields_that_come_late(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "CHUNK_ROWS", 2)
    source, output = tmp_path / "in.jsonl.gz", tmp_path / "out.parquet"
    content = [{"id": None}, {"text": TEXTS[0], "id": 1}, {"text": TEXTS[1], "id": "b"}]
    source.write_bytes(gzip.compress("\n".join(map(json.dumps, content)).encode()))
    status, _, err = docsort(
        "score", "--bundle", trained.bundle, "--input", source, "--output", output
    )
    assert status == 0, err
    given = pd.read_parquet(output)
    assert given["text"].tolist()[1:] == TEXTS[:2]
    assert given["predicted"].notna().tolist() == [False, True, True]


@pytest.mark.parametrize("task", ["single_label", "multi_label"])
def test_prediction_columns_have_the_same_names_and_types_whatever_they_hold(task: str) -> None:
    labels = ("a", "b")
    scorer = SimpleNamespace(task=task, labels=labels, decide=lambda _: ["b"])
    probabilities = np.array([[0.25, 0.75]] * 2, np.float32)
    nothing, some = Receipt(0, 0, 1), Receipt(3, 2, 1)
    empty = prediction_columns(scorer, probabilities, [nothing] * 2)  # type: ignore[arg-type]
    full = prediction_columns(scorer, probabilities, [some] * 2)  # type: ignore[arg-type]
    names = ["predicted", "score", "probability/a", "probability/b"]
    names += ["tokens", "tokens_read", "answered_by"]
    assert full.column_names == names
    assert full.schema == empty.schema
    predicted = "b" if task == "single_label" else ["b"]
    assert list(full.to_pylist()[0].values()) == [predicted, 0.75, 0.25, 0.75, 3, 2, "encoder"]
    assert list(empty.to_pylist()[0].values()) == [None] * 4 + [0, 0, "encoder"]


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"id,body\n1,a\n", "in.csv", "no column 'text'"),
        (b"", "in.csv", "no rows"),
        (b"text\n\xff\n", "in.csv", "not UTF-8"),
        (b"text\na,b\n", "in.csv", "header"),
        (b"text\na\n", "in.xls", ".parquet"),
        (b"PAR1 cut", "in.parquet", "not a whole parquet"),
        (b'{"text": 1}\n', "in.jsonl", "holds int64"),
    ],
)
def test_score_refuses(
    docsort: Docsort, trained: Trained, tmp_path: Path, content: bytes, name: str, said: str
) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    status, _, err = docsort(
        *("score", "--bundle", trained.bundle, "--input", source),
        *("--output", tmp_path / "out.csv"),
    )
    assert status == 2
    assert said in err
    assert os.listdir(tmp_path) == [name]


def test_score_never_overwrites(docsort: Docsort, trained: Trained, tmp_path: Path) -> None:
    source, output = write_csv(tmp_path / "in.csv", rows(2)), tmp_path / "out.csv"
    output.write_text("precious", encoding="utf-8")
    status, _, err = docsort(
        "score", "--bundle", trained.bundle, "--input", source, "--output", output
    )
    assert status == 2
    assert "is there already" in err
    assert output.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("change", ["order", "fewer chunks", "more", "more chunks", "columns"])
def test_score_refuses_an_input_that_changes_meanwhile(
    docsort: Docsort,
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    change: str,
) -> None:
    monkeypatch.setattr(score, "CHUNK_ROWS", 4)
    content = rows(6)
    changed = {
        "order": content[::-1],
        "fewer chunks": content[:4],
        "more": rows(7),
        "more chunks": rows(9),
        "columns": [{"body": row["text"]} for row in content],
    }[change]
    source, output = tmp_path / f"in.{kind}", tmp_path / "out.csv"
    write = FORMATS[kind][0]
    write(pd.DataFrame(content), source)
    real = score._score

    def changes_behind_it(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        write(pd.DataFrame(changed), source)

    monkeypatch.setattr(score, "_score", changes_behind_it)
    status, _, err = docsort(
        "score", "--bundle", trained.bundle, "--input", source, "--output", output
    )
    assert status == 2
    assert f"in.{kind} was changed while it was scored" in err
    assert os.listdir(tmp_path) == [source.name]
