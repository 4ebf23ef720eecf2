"""The walls: which package may import which, and what the core never loads."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = ("pytorch_lightning", "hydra", "omegaconf", "pandas", "sklearn", "datasets", "matplotlib")


def test_arrows_between_the_packages_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    finished = subprocess.run(
        [str(tool), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout


def test_scoring_loads_neither_training_nor_tables() -> None:
    code = (
        "import sys, docsort.core.scorer, docsort.core.golden, docsort.core.rest\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "[]"


def test_tokenizers_and_probabilities_are_called_in_one_module_each() -> None:
    sources = {
        path: path.read_text(encoding="utf-8")
        for folder in ("docsort", "lightning_modules", "handlers")
        for path in (ROOT / folder).rglob("*.py")
    }
    calling = {
        "AutoTokenizer": "docsort/core/tokens.py",
        r"\.softmax\(|\.sigmoid\(": "docsort/core/probabilities.py",
    }
    for pattern, home in calling.items():
        found = [
            str(p.relative_to(ROOT)) for p, text in sources.items() if re.search(pattern, text)
        ]
        assert found == [home]


def test_every_file_says_its_one_job() -> None:
    for folder in ("docsort", "lightning_modules", "handlers", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not text or text.startswith('"""'), path
