"""Where a run's results come from: versions, commit, hashes. Reads files, changes nothing."""

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import docsort
from docsort.core.pretrained import Pretrained
from docsort.data.corpus import Corpus

# Settings of the data group that say how a file is read.
TABLE_KEYS = (
    *("text_column", "label_column", "label_separator", "empty_label"),
    *("delimiter", "quoting", "escape", "header"),
)
PACKAGES = ("torch", "transformers", "pytorch-lightning", "datasets", "scikit-learn", "numpy")


def provenance(
    corpus: Corpus, pretrained: Pretrained, config: Mapping[str, Any], command: list[str]
) -> dict[str, Any]:
    """What ``bundle.json`` says of a run, metrics left out."""
    return {
        "name": corpus.name,
        "docsort": docsort.__version__,
        "git_commit": git_commit(),
        "command": shlex.join(["docsort", "train", *command]),
        "config": dict(config),
        "data": dict(corpus.sources),
        "base_model": {"name": pretrained.name, "weights_sha256": pretrained.sha256},
        "environment": environment(),
    }


def report_lines(content: Mapping[str, Any]) -> dict[str, str]:
    """A bundle's provenance as short flat lines; configuration and metrics stand elsewhere."""
    lines: dict[str, str] = {
        "docsort": content["docsort"],
        "commit": content["git_commit"] or "not a clone",
        "command": content["command"],
        "base model": content["base_model"]["name"],
        "base model's weights (SHA-256)": content["base_model"]["weights_sha256"],
    }
    lines |= {f"data {name} (SHA-256)": sha256 for name, sha256 in content["data"].items()}
    lines |= content["environment"]
    return lines


def seen_before(content: Mapping[str, Any], source: str, sha256: str) -> str | None:
    """A sentence where a file is one that the bundle was made with, None where it is not.

    Args:
        content: the bundle's provenance.
        source: what the file is called.
        sha256: of the file's content.
    """
    used_as = {
        name.partition(":")[0] for name, used in content.get("data", {}).items() if used == sha256
    }
    told = f"{source} has the SHA-256 of"
    if "train" in used_as:
        figure = content.get("metrics", {}).get("test/accuracy")
        own = (
            ""
            if figure is None
            else f" On its own test documents it has test/accuracy {figure:.4f}."
        )
        return (
            f"{told} a file that this model was trained on. Figures on documents that it learned "
            f"from say nothing of new ones.{own}"
        )
    if "val" in used_as:
        return (
            f"{told} the val file by which this model was chosen and calibrated. Figures on it are "
            "better than on new documents."
        )
    return f"{told} the test file of this model's own training." if used_as else None


def table_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """How a bundle's provenance says that its table was read; empty where it was none."""
    data = content.get("config", {}).get("data", {})
    if data.get("source") != "table":
        return {}
    return {key: data[key] for key in TABLE_KEYS if key in data}  # older bundles lack some


def environment() -> dict[str, str]:
    """Python, the packages that decide about results, and the system."""
    packages = {package: version(package) for package in PACKAGES}
    return {"python": sys.version.split()[0], **packages, "platform": platform.platform()}


def git_commit() -> str | None:
    """The commit of docsort's own clone, with ``-dirty`` after changes; None outside of one."""
    root = Path(docsort.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
