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
