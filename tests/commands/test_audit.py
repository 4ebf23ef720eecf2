"""`docsort audit`, and what training does about documents that stand in train and test."""

import json
from pathlib import Path

import pytest

from docsort.commands.audit_table import print_audit
from tests.commands.conftest import JOB_FILES, Docsort, Trained, job_files, toy_rows, write_csv
from tests.report.audits import make_audit


def test_audit_writes_and_prints(
    docsort: Docsort, trained: Trained, overrides: list[str], tmp_path: Path
) -> None:
    model = [override for override in overrides if override.startswith("model.")]
    data = trained.data
    status, out, err = docsort("audit", *data, *model, f"hydra.run.dir={tmp_path}")
    assert status == 0, err
    found = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert found["documents"]["test"] == 24
    assert found["dropped"] == {"test: empty text": 1}
    assert found["tokens"]["window"] == 16
    assert "suspected label errors" in out
    assert f"audit   {tmp_path / 'audit.html'}" in out
    assert job_files(tmp_path) == JOB_FILES
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert 'data-chart="token-lengths"' in page


def leaking(folder: Path, num_leaked: int) -> tuple[Path, Path]:
    """A train file, and a test file of 40 documents with some of train's among them."""
    train = toy_rows(120, 1)
    return (
        write_csv(folder / "train.csv", train),
        write_csv(folder / "test.csv", toy_rows(40 - num_leaked, 3) + train[:num_leaked]),
    )


def test_many_leaks_stop_the_run(docsort: Docsort, overrides: list[str], tmp_path: Path) -> None:
    train, test = leaking(tmp_path, num_leaked=4)
    run = tmp_path / "run"
    data = ["data=csv", f"data.train={train}", f"data.test={test}"]
    status, _, err = docsort("train", *data, *overrides, f"hydra.run.dir={run}")
    assert status == 2
    assert "4 of 40 test documents" in err
    assert "data.max_leak_share" in err
    assert not (run / "checkpoints").exists()


@pytest.mark.parametrize("seed", ["-1", "4294967296", "abc"])
def test_audit_refuses_what_is_no_seed(docsort: Docsort, tmp_path: Path, seed: str) -> None:
    run = tmp_path / "run"
    status, _, err = docsort("audit", f"seed={seed}", f"hydra.run.dir={run}")
    assert status == 2
    assert f"seed={seed} is not accepted; give a whole number from 0 to 4294967295" in err
    assert not run.exists()


def test_few_leaks_are_reported_with_and_without(
    docsort: Docsort, overrides: list[str], tmp_path: Path
) -> None:
    train, test = leaking(tmp_path, num_leaked=4)
    run = tmp_path / "run"
    data = ["data=csv", f"data.train={train}", f"data.test={test}", "data.max_leak_share=0.2"]
    status, _, err = docsort(
        "train", *data, *overrides, "trainer.max_epochs=1", f"hydra.run.dir={run}"
    )
    assert status == 0, err
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    # 40 documents with the leaked ones, 36 without
    assert round(metrics["test/accuracy"] * 40, 6) == round(metrics["test/accuracy"] * 40)
    without = metrics["test_without_leaks/accuracy"] * 36
    assert abs(without - round(without)) < 1e-6
    card = (run / "bundle" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---")


def test_a_wholly_leaked_test_file_is_measured_only_when_asked_for(
    docsort: Docsort, overrides: list[str], tmp_path: Path
) -> None:
    rows = toy_rows(60, 1)
    train, test = write_csv(tmp_path / "a.csv", rows), write_csv(tmp_path / "b.csv", rows[:20])
    run = tmp_path / "run"
    command = ["train", "data=csv", f"data.train={train}", f"data.test={test}", *overrides]
    command += ["trainer.max_steps=2", f"hydra.run.dir={run}"]
    status, _, err = docsort(*command)
    assert status == 2
    assert "20 of 20 test documents (100.0%)" in err
    status, _, err = docsort(*command, "data.max_leak_share=1")
    assert status == 0, err
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert not [name for name in metrics if name.startswith("test_without_leaks/")]
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "None is left to test on" in report


def test_the_account_of_a_source_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    audit = make_audit()
    print_audit(audit)
    assert f"{audit.ledger[0].line()}\n" in capsys.readouterr().out
    assert json.loads(audit.to_json())["ledger"][0]["skipped"] == {"blank line": 2}
