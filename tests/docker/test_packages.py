"""The images' lists of packages: what serving imports, within what setup.cfg allows."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def names(lines: str) -> set[str]:
    """The packages of a list of requirements."""
    found = (re.match(r"[A-Za-z0-9._-]+", line.strip()) for line in lines.splitlines())
    return {match[0].lower().replace("_", "-") for match in found if match}


def asked(part: str, option: str) -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return names(config[part][option])


def listed(file: str) -> set[str]:
    return names((ROOT / "docker" / file).read_text(encoding="utf-8"))


def imported_by(*files: str) -> set[str]:
    """The packages that some of our files name in their own imports."""
    found = set()
    for path in (path for pattern in files for path in ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return {name.lower().replace("_", "-") for name in found}


def test_serving_imports_no_package_that_its_image_lacks() -> None:
    served = listed("serving.txt")
    everything = asked("options", "install_requires") | asked("options.extras_require", "serve")
    assert served <= everything
    files = (
        "docsort/serving/*.py",
        "docsort/core/*.py",
        "handlers/*.py",
        "docsort/commands/serve.py",
    )
    # transformers brings it; only training asks it for a model by name
    assert imported_by(*files) & (everything - served) == {"huggingface-hub"}


def test_fetching_imports_none_of_what_serving_or_training_does() -> None:
    assert listed("fetching.txt") == asked("options.extras_require", "fetch")
    heavy = asked("options", "install_requires")
    code = "import docsort.commands.fetch, docsort.serving.fetch, sys; print(*sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0].replace("_", "-") for name in finished.stdout.split()}
    assert not heavy & loaded


def test_every_listed_package_has_an_exact_version() -> None:
    pinned = names((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert (listed("serving.txt") | listed("fetching.txt")) <= pinned


CPU_INDEX = "https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({"DEVICE": "cpu"}, CPU_INDEX),
        ({"DEVICE": "cpu", "TORCH_INDEX_URL": ""}, ""),
        ({"DEVICE": "cpu", "TORCH_INDEX_URL": "https://other.example"}, "https://other.example"),
        ({"DEVICE": "cuda"}, ""),
    ],
)
def test_torch_comes_from_the_cpu_index_unless_told_otherwise(
    given: dict[str, str], index: str
) -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    choice = re.search(
        r"RUN (if \[ \"\$DEVICE\".*?)\\\n    && PIP_CONSTRAINT", dockerfile, re.DOTALL
    )
    assert choice
    script = choice[1].replace("\\\n", "") + '&& echo "$index"'
    finished = subprocess.run(
        ["sh", "-euc", script], env=given, capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == index


def test_compose_passes_the_index_on_as_it_is_set_or_unset() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert compose["services"]["model"]["build"]["args"] == ["DEVICE", "TORCH_INDEX_URL"]
