"""Bundles: written whole or not at all, read back the same, and refused when spoilt."""

import json
from pathlib import Path

import numpy as np
import pytest

from docsort.core.bundle import load_model, read_bundle, verify_files, whole_or_nothing
from docsort.core.errors import BundleError
from docsort.core.golden import check_golden, read_golden, tolerance, write_bundle
from docsort.core.scorer import Scorer


def edit(bundle: Path, **changes: object) -> None:
    file = bundle / "bundle.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, **changes}), encoding="utf-8")


def test_reads_back_what_was_written(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    assert bundle.labels == ("finance", "medicine", "sport")
    assert (bundle.manifest.window, bundle.manifest.overlap) == (16, 4)
    assert bundle.task == "single_label"
    assert "machine" in bundle.provenance
    verify_files(bundle)
    assert not list(tiny_bundle.rglob("*.bin"))
    assert not list(tiny_bundle.rglob("*.pkl"))


def test_golden_documents_prove_the_bundle_and_refuse_another(tiny_bundle: Path) -> None:
    scorer = Scorer.load(tiny_bundle)

    def score(texts: list[str]) -> np.ndarray:
        return np.stack([prediction.probabilities for prediction in scorer.score(texts)])

    assert tolerance(scorer.bundle) == 1e-5
    assert check_golden(tiny_bundle, score) <= 1e-5
    for wrong in (lambda texts: score(texts) + 2e-5, lambda texts: score(texts) * np.nan):
        with pytest.raises(BundleError, match="differ by up to"):
            check_golden(tiny_bundle, wrong)
    with pytest.raises(BundleError, match="shape"):
        check_golden(tiny_bundle, lambda texts: score(texts)[:1])


def test_golden_documents_may_hold_any_line_separator(tiny_bundle: Path, tmp_path: Path) -> None:
    """str.splitlines would end a line at each of these."""
    text = "the profit\u2028of the\x85bank\u2029in\x0ba\x1cmarket"
    scorer = Scorer.load(tiny_bundle)
    classifier, tokenizer = load_model(scorer.bundle)
    write_bundle(tmp_path / "bundle", scorer.bundle.manifest, classifier, tokenizer, [text])
    assert [document.text for document in read_golden(tmp_path / "bundle")] == [text]


def test_golden_documents_of_another_machine_have_more_room(tiny_bundle_copy: Path) -> None:
    provenance = {**read_bundle(tiny_bundle_copy).provenance, "machine": "another"}
    edit(tiny_bundle_copy, provenance=provenance)
    assert tolerance(read_bundle(tiny_bundle_copy)) == 1e-4


def test_order_of_labels_decides(tiny_bundle_copy: Path, tiny_bundle: Path) -> None:
    """A bundle whose labels were swapped answers with another label: the order is not cosmetic."""
    edit(tiny_bundle_copy, labels=["sport", "medicine", "finance"])
    swapped, right = Scorer.load(tiny_bundle_copy), Scorer.load(tiny_bundle)
    texts = [golden.text for golden in read_golden(tiny_bundle)]
    said = [right.decide(p.probabilities)[0] for p in right.score(texts)]
    other = [swapped.decide(p.probabilities)[0] for p in swapped.score(texts)]
    assert said != other


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_schema_version_says_what_to_do(tiny_bundle_copy: Path, version: object) -> None:
    edit(tiny_bundle_copy, schema_version=version)
    with pytest.raises(BundleError, match=r"schema version .* reads version 1.*Train again"):
        read_bundle(tiny_bundle_copy)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer/tokenizer.json", "golden.jsonl"])
def test_a_cut_or_missing_file_is_named(tiny_bundle_copy: Path, name: str) -> None:
    file = tiny_bundle_copy / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match=name):
        Scorer.load(tiny_bundle_copy)
    file.unlink()
    with pytest.raises(BundleError, match=f"{name} is missing"):
        Scorer.load(tiny_bundle_copy)


def test_a_changed_file_is_found_by_its_hash(tiny_bundle_copy: Path) -> None:
    file = tiny_bundle_copy / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=r"changed since.*model\.safetensors"):
        verify_files(read_bundle(tiny_bundle_copy))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "schema version None"),
        ('{"schema_version": 1, "files": {"model.safetensors": {"bytes": 0}}}', "missing"),
    ],
)
def test_a_broken_manifest(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=said):
        read_bundle(tmp_path)


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        read_bundle(tmp_path)


def test_thresholds_must_fit_the_labels(tiny_bundle_copy: Path) -> None:
    edit(tiny_bundle_copy, calibration={"temperature": 1.0, "thresholds": [0.5]})
    with pytest.raises(BundleError, match="1 thresholds for 3 labels"):
        read_bundle(tiny_bundle_copy)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "bundle"

    def fail() -> None:
        with whole_or_nothing(target) as folder:
            (folder / "half").write_text("written")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_never_overwritten(tiny_bundle_copy: Path) -> None:
    with pytest.raises(BundleError, match="is there already"), whole_or_nothing(tiny_bundle_copy):
        pass
    verify_files(read_bundle(tiny_bundle_copy))
