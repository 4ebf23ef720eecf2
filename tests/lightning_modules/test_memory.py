"""How much of a step's activations a CPU may hold."""

from pathlib import Path

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from docsort.core import classifier
from docsort.core.pretrained import load_pretrained
from lightning_modules import memory
from lightning_modules.memory import free_memory, tokens_in_memory
from tests.lightning_modules.conftest import Run


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    4 kB\n"}, 4096),
        (
            {
                "proc/meminfo": "MemAvailable:    4 kB\n",
                "sys/fs/cgroup/memory.max": "3000\n",
                "sys/fs/cgroup/memory.current": "1000\n",
            },
            2000,
        ),
        (
            {
                "proc/meminfo": "MemAvailable:    4 kB\n",
                "sys/fs/cgroup/memory.max": "max\n",
                "sys/fs/cgroup/memory.current": "1000\n",
            },
            4096,
        ),
    ],
)
def test_what_is_free_on_the_machine_and_in_the_container(
    tmp_path: Path, files: dict[str, str], free: int | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert free_memory(tmp_path) == free


def test_half_of_what_is_free_beside_the_model(
    tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load_pretrained(str(tiny_bert)).encoder
    config = encoder.config
    a_token = 75 * config.num_hidden_layers * config.hidden_size
    beside = 16 * encoder.num_parameters()
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * (beside + 200 * a_token))
    assert tokens_in_memory(encoder, num_processes=2) == 100
    monkeypatch.setattr(memory, "free_memory", lambda: 10)
    assert tokens_in_memory(encoder, num_processes=1) == 0
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    assert tokens_in_memory(encoder, num_processes=1) is None


def test_a_run_short_of_memory_ends_with_the_same_weights(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory, _ = run("in_memory", max_steps=3)
    made_twice = []
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    monkeypatch.setattr(
        classifier,
        "checkpoint",
        lambda *args, **kwargs: made_twice.append(args) or checkpoint(*args, **kwargs),
    )
    twice, _ = run("twice", max_steps=3)
    assert len(made_twice) >= 3
    for name, weights in in_memory.classifier.state_dict().items():
        assert torch.equal(weights, twice.classifier.state_dict()[name]), name
