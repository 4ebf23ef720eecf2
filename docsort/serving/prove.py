"""Proof of an unpacked archive: in a fresh process it alone must give the bundle's golden answers.

The process is started here; what runs in it is proof_process.py.
"""

import os
import subprocess
import sys
from pathlib import Path

from docsort.core.errors import ArchiveError

_TIMEOUT_S = 600


def prove(unpacked: Path) -> None:
    """Run the archive's handler on its golden documents, as TorchServe would.

    Raises:
        ArchiveError: it fails, its answers differ, it takes ``docsort`` from elsewhere, or it
            needs a package that serving does not have.
    """
    script = Path(__file__).with_name("proof_process.py")
    # -I: neither this folder, nor the user's packages, nor PYTHONPATH
    command = [sys.executable, "-I", "-B", str(script.resolve()), str(unpacked.resolve())]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        finished = subprocess.run(
            command,
            cwd=unpacked,
            env={**environment, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ArchiveError(
            f"the archive's proof took over {_TIMEOUT_S} s; not published"
        ) from error
    if finished.returncode:
        reason = (finished.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise ArchiveError(f"the archive could not be proved and is not published: {reason}")
