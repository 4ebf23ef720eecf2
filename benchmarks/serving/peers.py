"""The peers and the settings that each may be at its best with; no batching is always one."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.serving.systems import Command, System, free_port

SERVERS = Path(__file__).resolve().parent.parent / "peers"
ENVIRONMENTS = SERVERS.parent.parent / ".peers"
NAMES = ("Flask + gunicorn", "TorchServe, plain handler", "LitServe", "infinity")
_JSON = "application/json"


@dataclass(frozen=True)
class Setting:
    """``workers`` processes share the cores' threads among them; batch 1 is no batching."""

    workers: int
    batch: int

    @property
    def threads(self) -> int:
        return max(1, len(os.sched_getaffinity(0)) // self.workers)

    @property
    def environment(self) -> dict[str, str]:
        return {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads)}

    def __str__(self) -> str:
        batching = f"batch {self.batch}" if self.batch > 1 else "no batching"
        return f"{batching}, {self.workers} x {self.threads} threads"


def _grid(*batches: int) -> tuple[Setting, ...]:
    """One process with all cores; without batching also a process for each core."""
    cores = len(os.sched_getaffinity(0))
    spread = (Setting(cores, 1),) if cores > 1 else ()
    return (Setting(1, 1), *spread, *(Setting(1, batch) for batch in batches))


def peers(name: str, model: Path, torchserve_store: Path) -> list[System]:
    """A peer at each setting of its grid. Raises LookupError, which says why, if it can't be had.

    Args:
        model: folder that transformers saved.
        torchserve_store: with the archive of ``build_plain_archive``.
    """
    if name == NAMES[0]:
        python = _python("flask")
        return [_flask(python, model, setting) for setting in _grid()]
    if name == NAMES[1]:
        return [_torchserve(torchserve_store, setting) for setting in _grid(16)]
    if name == NAMES[2]:
        python = _python("litserve")
        return [_litserve(python, model, setting) for setting in _grid(16)]
    # its workers would each load the model behind one another's back: it has one process
    python = _python("infinity")
    return [_infinity(python, model, Setting(1, batch)) for batch in (1, 32)]


def build_plain_archive(model: Path, store: Path) -> Path:
    """The plain handler with the model, packed by TorchServe's own archiver."""
    store.mkdir()
    files = [str(SERVERS / "plain_model.py"), str(model)]
    words = [str(Path(sys.executable).parent / "torch-model-archiver"), "--model-name", "plain"]
    words += ["--version", "1.0", "--handler", str(SERVERS / "torchserve_handler.py")]
    words += ["--extra-files", ",".join(files), "--export-path", str(store)]
    subprocess.run(words, check=True, capture_output=True, text=True)
    return store / "plain.mar"


def _python(environment: str) -> str:
    python = ENVIRONMENTS / environment / "bin" / "python"
    if not (python.parent.parent / ".installed").exists():
        raise LookupError(f".peers/{environment} is not there; scripts/peers makes it")
    return str(python)


def _flask(python: str, model: Path, setting: Setting) -> System:
    def start(folder: Path, port: int) -> Command:
        words = [python, "-m", "gunicorn", "--chdir", str(SERVERS), "--bind", f"127.0.0.1:{port}"]
        words += ["--workers", str(setting.workers), "--timeout", "300", "flask_app:app"]
        return Command(words, {**setting.environment, "PLAIN_MODEL": str(model)})

    return _system(NAMES[0], setting, "/predict", start, _versions(python, "flask", "gunicorn"))


def _torchserve(store: Path, setting: Setting) -> System:
    wanted = {
        "defaultVersion": True,
        "marName": "plain.mar",
        "minWorkers": setting.workers,
        "maxWorkers": setting.workers,
        "batchSize": setting.batch,
        "maxBatchDelay": 5,
        "responseTimeout": 120,
    }

    def start(folder: Path, port: int) -> Command:
        lines = [
            f"inference_address=http://127.0.0.1:{port}",
            *(f"{n}_address=http://127.0.0.1:{free_port()}" for n in ("management", "metrics")),
            *(f"grpc_{name}_port=0" for name in ("inference", "management")),
            "disable_token_authorization=true",
            f"model_store={store}",
            "load_models=plain.mar",
            f"models={json.dumps({'plain': {'1.0': wanted}})}",
        ]
        config = folder / "config.properties"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        words = [str(Path(sys.executable).parent / "torchserve"), "--start", "--foreground"]
        words += ["--ncs", "--ts-config", str(config), "--model-store", str(store)]
        return Command(words, setting.environment)

    return System(
        NAMES[1],
        str(setting),
        "/predictions/plain",
        "text/plain",
        start,
        body=lambda text: text,
        read=_read,
        versions=f"torchserve {importlib.metadata.version('torchserve')}",
    )


def _litserve(python: str, model: Path, setting: Setting) -> System:
    def start(folder: Path, port: int) -> Command:
        words = [python, str(SERVERS / "litserve_server.py"), "--model", str(model)]
        words += ["--port", str(port), "--batch-size", str(setting.batch)]
        return Command([*words, "--workers", str(setting.workers)], setting.environment)

    return _system(NAMES[2], setting, "/predict", start, _versions(python, "litserve"))


def _infinity(python: str, model: Path, setting: Setting) -> System:
    def start(folder: Path, port: int) -> Command:
        words = [str(Path(python).parent / "infinity_emb"), "v2", "--model-id", str(model)]
        words += ["--served-model-name", "plain", "--host", "127.0.0.1", "--port", str(port)]
        words += ["--engine", "torch", "--device", "cpu", "--dtype", "float32"]
        words += ["--batch-size", str(setting.batch), "--no-bettertransformer", "--no-compile"]
        return Command([*words, "--no-model-warmup"], setting.environment)

    return System(
        NAMES[3],
        str(setting),
        "/classify",
        _JSON,
        start,
        body=lambda text: json.dumps({"model": "plain", "input": [text]}),
        read=lambda answer: _read(max(answer["data"][0], key=lambda each: float(each["score"]))),
        versions=_versions(python, "infinity_emb", "transformers"),
    )


def _system(
    name: str, setting: Setting, path: str, start: Callable[[Path, int], Command], versions: str
) -> System:
    return System(
        name,
        str(setting),
        path,
        _JSON,
        start,
        body=lambda text: json.dumps({"text": text}),
        read=_read,
        versions=versions,
    )


def _read(answer: Any) -> tuple[str, float]:
    return str(answer["label"]), float(answer["score"])


def _versions(python: str, *packages: str) -> str:
    asked = "import sys; from importlib.metadata import version as v; print(*map(v, sys.argv[1:]))"
    words = [python, "-c", asked, *packages]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = zip(packages, done.stdout.split(), strict=True)
    return ", ".join(f"{package} {version}" for package, version in found)
