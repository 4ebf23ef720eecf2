"""Which checkpoint a run goes on from, and what of its settings may have changed since.

Reads checkpoints, trains nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docsort.core.bundle import Manifest
from docsort.core.errors import BundleError, ConfigError
from docsort.core.full_names import flat_settings
from lightning_modules.checkpoints import FORMAT, manifest_of, read_weights
from lightning_modules.ends_after import EndsAfter
from lightning_modules.snapshots import LAST

AUTO = "auto"
CHECKPOINTS = "checkpoints"
# Settings that say where things are, how long to train, or what is shown; everything else decides
# about the steps already made. What the files hold is compared by hash.
_LENGTH = ("trainer.max_epochs", "trainer.max_steps", "patience", "refit_up_to")
_FREE = frozenset(
    {
        *_LENGTH,
        "resume",
        "checkpoint_minutes",
        "model.trust_remote_code",
        "logger.kind",
        "logger.uri",
        "logger.experiment",
        "data.train",
        "data.val",
        "data.test",
        "data.dataset",
        "data.name",
        "model.pretrained",
        "model.sha256",
        "model.license",
        "trainer.log_every_n_steps",
    }
)

# Settings that are newer than some recorded runs, with the values that those runs had in effect.
_BEFORE_THEY_EXISTED: Mapping[str, object] = {
    "data.empty_label": "missing",
    "data.header": True,
    "data.quoting": "auto",
    "data.unseen_labels": "refuse",
}


def checkpoint_to_resume(resume: str | None, folder: Path) -> Path | None:
    """The checkpoint that the setting ``resume`` means for a run in ``folder``; None: begin.

    Raises:
        ConfigError: a named checkpoint is not there.
    """
    if resume == AUTO:
        last = folder / CHECKPOINTS / LAST
        return last if last.is_file() else None
    if resume is not None and not Path(resume).is_file():
        raise ConfigError(
            f"resume={resume}: there is no such checkpoint; accepted: a checkpoint's file, or "
            f"{AUTO} for the last one in hydra.run.dir, if there is one"
        )
    return Path(resume) if resume else None


@dataclass(frozen=True)
class StoppedRun:
    """A run to go on from: its checkpoint, what it was, and the optimizer steps it had made.

    ``refit``: of a run's second time (TrainingRun.refit), what EndsAfter knows; else None.
    """

    checkpoint: Path
    manifest: Manifest
    step: int
    refit: Mapping[str, int] | None = None

    def check_same(self, now: Manifest) -> None:
        """Raises ConfigError naming what differs between the stopped run and this one."""
        if why := what_differs(self.manifest, now):
            raise ConfigError(
                f"resume={self.checkpoint}: {why}; go on with the data and the settings that it "
                "was trained with, or begin a new run in another hydra.run.dir"
            )


def read_stopped(checkpoint: Path) -> StoppedRun:
    """Raises BundleError for a foreign or cut file, or one of another version of docsort."""
    content = read_weights(checkpoint, "resume")
    if content["docsort"].get("format") != FORMAT:
        raise BundleError(
            f"resume={checkpoint} was written by another version of docsort, whose training this "
            "one can't go on with; use that version, or begin a new run in another hydra.run.dir"
        )
    refit = content["callbacks"].get(EndsAfter.__name__)
    return StoppedRun(checkpoint, manifest_of(content), content["global_step"], refit)


def what_differs(before: Manifest, now: Manifest) -> str | None:
    """Why a run of ``before`` is not the run of ``now``; None: it is."""
    for what in ("labels", "task", "window", "overlap", "max_windows", "pooling"):
        if getattr(before, what) != getattr(now, what):
            return f"its {what} are not this run's"
    return inputs_differ(before.provenance, now.provenance)


def inputs_differ(then: Mapping[str, Any], today: Mapping[str, Any]) -> str | None:
    """Which settings, data or weights of a run's provenance are others today; None: none."""
    if changed := _changed(then.get("config", {}), today.get("config", {})):
        return "it was trained with " + ", ".join(changed)
    if files := _other_files(then.get("data", {}), today.get("data", {})):
        return f"it was trained on other data (SHA-256); look at {', '.join(files)}"
    if _weights_hash(then) != _weights_hash(today):
        return (
            "it was trained on other pretrained weights (SHA-256); look at model.pretrained="
            f"{today.get('config', {}).get('model', {}).get('pretrained')}"
        )
    return None


def _other_files(then: Mapping[str, str], today: Mapping[str, str]) -> list[str]:
    """The files of today whose content is new, or else those of before that are left out."""
    if sorted(then.values()) == sorted(today.values()):
        return []
    news = [name for name, sha256 in today.items() if sha256 not in then.values()]
    gone = [name for name, sha256 in then.items() if sha256 not in today.values()]
    return [
        "data.{}={}".format(*name.split(":", 1)) if ":" in name else name
        for name in news or gone or sorted(today)
    ]


def _weights_hash(provenance: Mapping[str, Any]) -> str | None:
    base: Mapping[str, str] = provenance.get("base_model", {})
    return base.get("weights_sha256")


def length_differs(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """``key=value (now value)`` of each setting of a run's length that is another one now."""
    old, new = dict(flat_settings(before)), dict(flat_settings(now))
    changed = [name for name in _LENGTH if old.get(name) != new.get(name)]
    return ", ".join(f"{name}={old.get(name)} (now {new.get(name)})" for name in changed)


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """``key=value`` of before, for each setting that is another one now."""
    old = {**_BEFORE_THEY_EXISTED, **dict(flat_settings(before))}
    new = {**_BEFORE_THEY_EXISTED, **dict(flat_settings(now))}
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [f"{name}={old.get(name)}" for name in names if name not in _FREE]
