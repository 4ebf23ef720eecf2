"""How much of a step's activations a CPU may hold."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from docsort.core import classifier
from lightning_modules import memory
from lightning_modules.memory import free_memory, tokens_in_memory
from tests.lightning_modules.conftest import SETTINGS, Run, make_corpus

MEMINFO = "MemTotal: 9 kB\nMemAvailable:    4 kB\nHugePages_Total:       0\n"
GROUP = {"memory.current": "1000\n", "memory.stat": "anon 700\ninactive_file 100\n"}


@pytest.mark.parametrize(
    ("meminfo", "limit", "free"),
    [
        ("", None, None),
        (MEMINFO, None, 4096),
        (MEMINFO, "3000\n", 2100),  # what was read lately gives way
        (MEMINFO, "max\n", 4096),
        ("", "500\n", 0),
    ],
)
def test_what_is_free_on_the_machine_and_in_the_container(
    tmp_path: Path, meminfo: str, limit: str | None, free: int | None
) -> None:
    proc, group = tmp_path / "proc", tmp_path / "sys/fs/cgroup"
    proc.mkdir()
    (proc / "meminfo").write_text(meminfo)
    if limit:
        group.mkdir(parents=True)
        for name, content in {**GROUP, "memory.max": limit}.items():
            (group / name).write_text(content)
    assert free_memory(tmp_path) == free


@pytest.mark.parametrize("attention_dropout", [0.0, 0.1])
def test_half_of_what_is_free_beside_the_model(
    run: Run, monkeypatch: pytest.MonkeyPatch, attention_dropout: float
) -> None:
    settings = replace(SETTINGS, attention_dropout=attention_dropout)
    module, _ = run(settings=settings, max_steps=1)
    config = module.classifier.encoder.config
    a_token = config.num_hidden_layers * 75 * config.hidden_size
    if attention_dropout:
        a_token += config.num_hidden_layers * 12 * config.num_attention_heads * settings.window
    beside = 16 * module.classifier.encoder.num_parameters()
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * (beside + 200 * a_token))
    assert tokens_in_memory(module, num_processes=2) == 100
    monkeypatch.setattr(memory, "free_memory", lambda: 10)
    assert tokens_in_memory(module, num_processes=1) == 0
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    assert tokens_in_memory(module, num_processes=1) is None


def test_a_run_short_of_memory_says_so_and_ends_with_the_same_weights(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_memory, _ = run("in_memory", max_steps=3)
    assert "memory:" not in capsys.readouterr().out
    made_twice = []
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    monkeypatch.setattr(
        classifier,
        "checkpoint",
        lambda *args, **kwargs: made_twice.append(args) or checkpoint(*args, **kwargs),
    )
    twice, _ = run("twice", max_steps=3)
    assert "memory: a step of over 0 tokens is made twice" in capsys.readouterr().out
    assert len(made_twice) >= 3
    for name, weights in in_memory.classifier.state_dict().items():
        assert torch.equal(weights, twice.classifier.state_dict()[name]), name


def test_what_is_computed_of_a_step_counts_overlaps_and_special_tokens(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, _ = run(max_steps=1)
    token_ids = list(module.tokenizer.encode(make_corpus().train["text"][:]))
    plan = module.manifest.plan(module.tokenizer)
    windows = [sum(map(len, plan.cut(ids))) for ids in token_ids]
    longest = sum(sorted(windows)[-8:])  # a batch
    for limit, says in ((longest, False), (longest - 1, True)):
        monkeypatch.setattr(memory, "tokens_in_memory", lambda *_, limit=limit: limit)
        run(f"run{limit}", max_steps=1)
        assert ("memory:" in capsys.readouterr().out) == says
