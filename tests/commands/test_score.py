"""`docsort score`: whole files in and out, resumed where they stopped, never mixed."""

import gzip
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
from tests.commands.conftest import Docsort, Trained, write_csv

TEXTS = ["the bank and the profit", "a goal in the match", "patient drug"]


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


def left_unjoined(
    docsort: Docsort, monkeypatch: pytest.MonkeyPatch, bundle: Path, folder: Path
) -> tuple[object, ...]:
    """A job of six rows that stopped with all of its parts: its arguments."""
    source, output = write_csv(folder / "in.csv", rows(6)), folder / "out.csv"
    arguments = ("score", "--bundle", bundle, "--input", source, "--output", output)
    with monkeypatch.context() as patched:
        patched.setattr(score, "_join", lambda *_: None)
        assert docsort(*arguments)[0] == 0
    return arguments


def test_score_does_not_mix_two_jobs(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = left_unjoined(docsort, monkeypatch, trained.bundle, tmp_path)
    write_csv(tmp_path / "in.csv", rows(7))
    status, _, err = docsort(*arguments)
    assert status == 2
    assert "out.csv.partial belongs to another input" in err


def test_score_uses_no_parts_of_an_unknown_job(
    docsort: Docsort, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = left_unjoined(docsort, monkeypatch, trained.bundle, tmp_path)
    (tmp_path / "out.csv.partial" / "job.json").unlink()
    write_csv(tmp_path / "in.csv", rows(6)[::-1])
    assert docsort(*arguments)[0] == 0
    scorer = Scorer.load(trained.bundle)
    expected = [scorer.decide(p.probabilities)[0] for p in scorer.score(TEXTS)]
    assert len(set(expected)) > 1
    assert pd.read_csv(tmp_path / "out.csv")["predicted"].tolist() == (expected * 2)[::-1]
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

    def the_other_ends(*arguments: object) -> object:
        output.write_text("the other's", encoding="utf-8")
        return real(*arguments)  # type: ignore[arg-type]

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
    arguments = left_unjoined(docsort, monkeypatch, bundle, tmp_path)
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
        (b'{"text": {"a": 1}}\n', "in.jsonl", "holds an object in column 'text' (--text-column)"),
        (b'text\n"a" b\n', "in.csv", "line 2, has text behind a closing quotation mark"),
        (b'text\n"a b\n', "in.csv", "--quoting none"),
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


def with_data_settings(trained: Trained, folder: Path, **data: object) -> Path:
    """The bundle as if its run had been given these settings of the data group."""
    bundle = shutil.copytree(trained.bundle, folder / "bundle")
    manifest = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    manifest["provenance"]["config"]["data"] |= data
    (bundle / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    return bundle


@pytest.mark.parametrize(
    ("name", "content", "options", "texts"),
    [
        ("in.csv", "text;id\n%s;1\n", [], [TEXTS[0]]),
        ("in.csv", "sep=;\ntext;id\n%s;1\n", [], [TEXTS[0]]),
        ("in.csv", "v1,text,,,\n1,%s,,,\n", [], [TEXTS[0]]),
        ("in.csv", "text\n%s\n\n\n", [], [TEXTS[0], "", ""]),
        ("in.tsv", 'text\tid\n"%s\t1\n', ["--quoting", "none"], [f'"{TEXTS[0]}']),
        ("in.csv", 'text,id\n"a \\"b\\", %s",1\n', ["--escape", "\\"], [f'a "b", {TEXTS[0]}']),
        ("in.csv", "%s^1\n", ["--no-header", "--delimiter=^", "--text-column=0"], [TEXTS[0]]),
        (
            "in.csv",
            "title,body\ngoal,%s\n",
            ["--text-column=title", "--text-column=body"],
            [f"goal\n{TEXTS[0]}"],
        ),
        ("in.jsonl", '{"text": 12.0}\n\n{"text": true}\n', [], ["12", "true"]),
    ],
)
def test_score_reads_what_training_reads(
    docsort: Docsort,
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str,
    options: list[str],
    texts: list[str],
) -> None:
    read: list[str] = []
    real = Scorer.score
    monkeypatch.setattr(
        Scorer, "score", lambda self, given: (read.extend(given), real(self, given))[1]
    )
    source, output = tmp_path / name, tmp_path / "out.csv"
    source.write_text(content.replace("%s", TEXTS[0]), encoding="utf-8")
    arguments = ("score", "--bundle", trained.bundle, "--input", source, "--output", output)
    status, out, err = docsort(*arguments, *options)
    assert status == 0, err
    assert read == texts
    assert f" {len(texts)} rows in and out)" in out
    assert ("1 no rows (blank line)" in out) == (name == "in.jsonl")
    assert "as the bundle was trained" not in out
    if "text;id" in content and "sep" not in content:
        assert "in.csv is read with a semicolon as its delimiter." in out


def test_score_reads_as_the_bundle_was_trained_unless_told(
    docsort: Docsort, trained: Trained, tmp_path: Path
) -> None:
    bundle = with_data_settings(trained, tmp_path, text_column="body", quoting="none")
    source = tmp_path / "in.tsv"
    source.write_text(f'body\ttext\n"{TEXTS[0]}\tx\n', encoding="utf-8")
    arguments = ("score", "--bundle", bundle, "--input", source, "--output")
    status, out, err = docsort(*arguments, tmp_path / "1.csv")
    assert status == 0, err
    assert "as the bundle was trained: --text-column body --quoting none\n" in out
    assert pd.read_csv(tmp_path / "1.csv")["body"].tolist() == [f'"{TEXTS[0]}']
    status, _, err = docsort(*arguments, tmp_path / "2.csv", "--quoting", "auto")
    assert status == 2
    assert "If the file is written without quoting" in err
    source.write_text(f"text\n{TEXTS[0]}\n", encoding="utf-8")
    status, _, err = docsort(*arguments, tmp_path / "3.csv")
    assert (status, "--text-column=NAME" in err) == (2, True)
    assert docsort(*arguments, tmp_path / "3.csv", "--text-column", "text")[0] == 0


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_what_score_writes_is_read_back_as_it_is(
    docsort: Docsort, trained: Trained, tmp_path: Path, kind: str
) -> None:
    cells = ["a, b", 'say "so"', "two\nlines\tand", "C:\\", '"all"', " edge ", "#x", "plain", ""]
    pd.DataFrame({"text": cells, "n": range(9)}).to_parquet(tmp_path / "in.parquet")
    files = [tmp_path / "in.parquet", tmp_path / f"1.{kind}", tmp_path / f"2.{kind}"]
    for source, output in itertools.pairwise(files):
        arguments = ("score", "--bundle", trained.bundle, "--input", source, "--output", output)
        status, _, err = docsort(*arguments)
        assert status == 0, err
    for file in files[1:]:
        given = pd.read_csv(file, sep="," if kind == "csv" else "\t", keep_default_na=False)
        assert given["text"].tolist() == cells
