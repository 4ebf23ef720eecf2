"""Training the tiny BERT for real: it learns, repeats itself, resumes; checkpoints stand alone."""

import math
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from docsort.core.errors import BundleError, ConfigError
from docsort.core.windows import DocumentWindows
from docsort.data.targets import as_targets
from docsort.report.metrics import document_metrics
from lightning_modules import trainer
from lightning_modules.callbacks import Speed
from lightning_modules.checkpoints import read_weights, scorer_from_checkpoint
from lightning_modules.classification import DocumentClassification
from lightning_modules.data_module import Batch
from lightning_modules.settings import OptimizerSettings
from lightning_modules.trainer import cpu_precision, make_trainer, with_precision
from lightning_modules.trainer_settings import check_validated, checked_trainer
from tests.lightning_modules import conftest
from tests.lightning_modules.conftest import (
    LABELS,
    SETTINGS,
    Break,
    Run,
    losses_of_validations,
    make_corpus,
    split,
)


def test_learns_and_keeps_its_best(run: Run) -> None:
    _, fitted = run(max_epochs=6)
    curve = [row["val_macro_f1"] for row in fitted.learning_curve]
    assert max(curve) > 0.9
    assert fitted.best_checkpoint.is_file()
    epoch = read_weights(fitted.best_checkpoint)["epoch"]
    refined = [row["val_refined_loss"] for row in fitted.learning_curve]
    least = fitted.learning_curve[refined.index(min(refined))]
    assert refined[epoch] <= min(refined) + least["val_refined_loss_error"]
    assert fitted.metrics["train/docs_per_s"] > 0


def test_the_last_epoch_is_kept_beside_the_best(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """To go on from; with save_last Lightning 2.6 keeps only epochs that were the best so far."""
    losses_of_validations(monkeypatch, [0.1, 0.2, 0.3])
    _, fitted = run(max_epochs=3, num_sanity_val_steps=0)
    assert read_weights(fitted.best_checkpoint)["epoch"] == 0
    last = read_weights(fitted.best_checkpoint.with_name("last.ckpt"))
    assert last["epoch"] == 2


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([0.30, 0.20, 0.24, 0.26], 2),  # the latest within an error of 0.05 of the least
        ([0.20, 0.26, 0.27, 0.25], 3),
        ([0.30, 0.20, 0.16, 0.30], 2),
    ],
)
def test_the_latest_of_the_equally_good_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, losses: list[float], kept: int
) -> None:
    losses_of_validations(monkeypatch, losses, error=0.05)
    _, fitted = run(max_epochs=len(losses), num_sanity_val_steps=0)
    assert read_weights(fitted.best_checkpoint)["epoch"] == kept


def test_a_run_that_diverges_says_what_to_lower(run: Run, tmp_path: Path) -> None:
    """Also when it is gone on with."""
    diverging = replace(SETTINGS, optimizer=OptimizerSettings(lr=1e6))
    with pytest.raises(ConfigError, match=r"after epoch 1.*model\.optimizer\.lr=1e\+06") as refused:
        run(settings=diverging, max_epochs=3)
    assert "trainer.precision=32-true" in str(refused.value)
    with pytest.raises(ConfigError, match="after epoch 1"):
        run(settings=diverging, max_epochs=3, resume=tmp_path / "run" / "checkpoints" / "last.ckpt")


def test_a_run_that_diverges_late_keeps_what_it_had(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses_of_validations(monkeypatch, [0.2, math.nan])
    _, fitted = run(max_epochs=3, num_sanity_val_steps=0)
    assert read_weights(fitted.best_checkpoint)["epoch"] == 0


def test_a_run_ended_within_an_epoch_is_validated_there(run: Run) -> None:
    """20 batches an epoch; 7 steps of 2 batches end in the first one's middle."""
    _, fitted = run(max_steps=7, accumulate_grad_batches=2)
    assert [(row["epoch"], row["step"]) for row in fitted.learning_curve] == [(1, 7)]
    assert read_weights(fitted.best_checkpoint)["global_step"] == 7


def test_a_limit_beyond_the_epochs_changes_nothing(run: Run) -> None:
    _, fitted = run(max_steps=40)
    assert [(row["epoch"], row["step"]) for row in fitted.learning_curve] == [(1, 20), (2, 40)]


def test_learns_several_labels_a_document(run: Run) -> None:
    _, fitted = run(several=True, max_epochs=8)
    assert max(row["val_macro_f1"] for row in fitted.learning_curve) > 0.85


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_before_a_fused_step(
    run: Run, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    norms = []
    configure = DocumentClassification.configure_optimizers

    def watched(module: DocumentClassification) -> dict[str, Any]:
        made = configure(module)
        made["optimizer"].register_step_post_hook(note)
        return made

    def note(optimizer: torch.optim.Optimizer, *_: object) -> None:
        assert optimizer.defaults["fused"]
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norms.append(float(torch.nn.utils.get_total_norm(g for g in gradients if g is not None)))

    monkeypatch.setattr(DocumentClassification, "configure_optimizers", watched)
    run(max_epochs=1, precision=precision, gradient_clip_val=1e-3)
    assert norms == pytest.approx([1e-3] * 20, rel=1e-2)


def test_the_encoder_drops_out_in_every_step(
    run: Run, broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """from_pretrained leaves it in evaluation mode, and so does fitting the layer's beginning."""
    step, noted = DocumentClassification.training_step, []

    def noting(module: DocumentClassification, *batch: Any) -> torch.Tensor:
        noted.append(all(part.training for part in module.classifier.modules()))
        return step(module, *batch)

    monkeypatch.setattr(DocumentClassification, "training_step", noting)
    broken(5, checkpoint_minutes=0)
    assert noted == [True] * 5
    run("broken", max_epochs=2, resume=tmp_path / "broken" / "checkpoints" / "last.ckpt")
    assert noted == [True] * 40


def test_a_checkpoint_scores_with_nothing_else_at_hand(run: Run) -> None:
    module, fitted = run()
    scorer = scorer_from_checkpoint(fitted.best_checkpoint)
    texts = make_corpus().test["text"][:5]
    module.eval()
    plan = module.manifest.plan(module.tokenizer)
    with torch.no_grad():
        expected_DC = module(
            DocumentWindows.of(list(module.tokenizer.encode(texts)), plan)
        ).softmax(-1)
    given = np.stack([prediction.probabilities for prediction in scorer.score(texts)])
    np.testing.assert_allclose(given, expected_DC.numpy(), atol=1e-6)


def test_checkpoints_ask_for_no_temporary_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full /tmp ends no training: the tokenizer's files are made before it."""
    monkeypatch.setattr(
        Speed, "on_train_start", lambda *_: monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    )
    _, fitted = run(max_epochs=1)
    monkeypatch.undo()
    assert scorer_from_checkpoint(fitted.best_checkpoint).labels == LABELS


@pytest.mark.parametrize(
    ("capabilities", "by_onednn", "precision"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, True, "bf16-mixed"),
        ({"avx512_bf16": False, "amx_bf16": True}, True, "bf16-mixed"),
        ({"avx512_bf16": True, "amx_bf16": True}, False, "32-true"),
        ({"avx512_bf16": False, "amx_bf16": False, "avx2": True}, True, "32-true"),
        ({}, True, "32-true"),
    ],
)
def test_precision_by_what_the_processor_multiplies_in(
    monkeypatch: pytest.MonkeyPatch,
    capabilities: dict[str, bool],
    by_onednn: bool,
    precision: str,
) -> None:
    monkeypatch.setattr(trainer, "_onednn_uses_bf16", lambda: by_onednn)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for accelerator in ("cpu", "auto"):  # there is no GPU
        settings = {"accelerator": accelerator, "precision": None}
        assert with_precision(settings) == {**settings, "precision": precision}
    for own in ({"accelerator": "cpu", "precision": "16-mixed"}, {"accelerator": "cpu"}):
        assert with_precision(own) == own


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ([(7, 5)], "16-mixed"),  # a T4
        ([(8, 0)], "bf16-mixed"),  # an A100
        ([(12, 0), (7, 0)], "16-mixed"),  # one of two can't
    ],
)
def test_precision_by_what_the_gpus_multiply_in(
    monkeypatch: pytest.MonkeyPatch, capabilities: list[tuple[int, int]], precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda gpu: capabilities[gpu])
    for accelerator in ("gpu", "auto"):
        settings = {"accelerator": accelerator, "precision": None}
        assert with_precision(settings) == {**settings, "precision": precision}
    own = {"accelerator": "gpu", "precision": "bf16-mixed"}
    assert with_precision(own) == own


def test_precision_where_onednn_is_limited_to_avx2_is_fp32() -> None:
    script = "from lightning_modules.trainer import cpu_precision; print(cpu_precision())"
    limited = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = subprocess.check_output([sys.executable, "-c", script], env=limited, text=True)
    assert said == "32-true\n"


def test_precision_where_torch_does_not_know_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert cpu_precision() == "32-true"


def test_weights_stay_fp32_under_mixed_precision(run: Run) -> None:
    module, fitted = run(precision="bf16-mixed", max_epochs=6)
    assert {weights.dtype for weights in module.parameters()} == {torch.float32}
    assert max(row["val_macro_f1"] for row in fitted.learning_curve) > 0.9


@pytest.mark.parametrize(
    "content",
    # torch fails with EOFError, UnpicklingError, IndexError, struct.error, KeyError
    [None, b"", b"no checkpoint", b"text,label\na,b\n", b"GIF89a", b"hello\n"],
)
def test_a_checkpoint_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "some.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"some\.ckpt"):
        scorer_from_checkpoint(path)


@pytest.mark.parametrize("content", [{"state_dict": {}}, torch.zeros(2), 5, ["docsort"]])
def test_a_foreign_checkpoint(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "foreign.ckpt")
    with pytest.raises(BundleError, match="not written by `docsort train`"):
        scorer_from_checkpoint(tmp_path / "foreign.ckpt")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(run: Run) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.accelerator=gpu.*trainer=cpu"):
        run(accelerator="gpu")


@pytest.mark.parametrize(("has_gpu", "accelerator"), [(False, "cpu"), (True, "gpu")])
def test_auto_is_never_apples_gpu(
    monkeypatch: pytest.MonkeyPatch, has_gpu: bool, accelerator: str
) -> None:
    """Lightning would take it, and DocumentClassifier has no sizes for it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert checked_trainer({"accelerator": "auto"})["accelerator"] == accelerator


@pytest.mark.parametrize(
    ("accelerator", "precision", "fits"),
    [
        ("gpu", "16-mixed", True),
        ("auto", "16-mixed", True),
        ("gpu", "16-true", False),
        ("cpu", "16-mixed", False),
    ],
)
def test_precisions_where_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, precision: str, fits: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    settings = {"accelerator": accelerator, "precision": precision}
    with nullcontext() if fits else pytest.raises(ConfigError, match=rf"precision={precision}"):
        checked_trainer(settings)


def test_no_attention_that_makes_plans_for_each_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bool] = []
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", said.append)
    make_trainer({"accelerator": "cpu"}, tmp_path, [], [])
    assert said == [False]


def test_a_run_that_ends_before_its_first_validation(run: Run) -> None:
    with pytest.raises(ConfigError, match=r"first validation.*trainer\.val_check_interval=100"):
        run(check_val_every_n_epoch=None, val_check_interval=100, max_epochs=1)


def test_the_batches_that_an_epoch_is_limited_to_count() -> None:
    for limit in (5, 0.5):
        trainer = Trainer(accelerator="cpu", limit_train_batches=limit, val_check_interval=6)
        with pytest.raises(ConfigError, match=r"val_check_interval=6 .* 5 batches at most"):
            check_validated(trainer, num_documents=160, batch_size=16)
        check_validated(Trainer(accelerator="cpu", val_check_interval=6), 160, 16)


def test_an_unknown_trainer_setting(run: Run) -> None:
    with pytest.raises(ConfigError, match="no_such_setting"):
        run(no_such_setting=1)


def test_validation_sees_every_document_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = replace(make_corpus(), val=split(70, 2))
    monkeypatch.setattr(conftest, "make_corpus", lambda _: corpus)
    step, seen = DocumentClassification.validation_step, []

    def noting(module: DocumentClassification, batch: Batch, batch_idx: int) -> None:
        seen.append(batch.windows)
        step(module, batch, batch_idx)

    monkeypatch.setattr(DocumentClassification, "validation_step", noting)
    module, _ = run(max_epochs=1, num_sanity_val_steps=0)
    assert len(seen) > 1
    assert sum(windows.num_documents for windows in seen) == 70
    token_ids = list(module.tokenizer.encode(corpus.val["text"][:]))
    expected = DocumentWindows.of(token_ids, module.manifest.plan(module.tokenizer)).token_ids
    assert sorted(ids for windows in seen for ids in windows.token_ids) == sorted(expected)


def test_accuracy_while_training_is_what_it_is_in_the_end(run: Run) -> None:
    """Of several labels a document, the share of documents with exactly theirs."""
    module, fitted = run(several=True, max_epochs=1, precision="32-true")
    scorer, val = scorer_from_checkpoint(fitted.best_checkpoint), make_corpus(several=True).val
    probabilities_DC = np.stack([each.probabilities for each in scorer.score(val["text"][:])])
    truth_DC = as_targets(val["label"][:], module.manifest.labels, "multi_label")
    figures = document_metrics(truth_DC, probabilities_DC, "multi_label")
    assert 0 < figures["accuracy"] < 1
    assert fitted.learning_curve[0]["val_accuracy"] == pytest.approx(figures["accuracy"])
