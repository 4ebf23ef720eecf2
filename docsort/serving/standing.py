"""How the wanted versions stand in the TorchServe that serves. Changes nothing."""

from collections.abc import Container, Sequence
from typing import Any

from docsort.core.errors import ServingError
from docsort.serving.nginx import Share
from docsort.serving.versions import WantedModel
from docsort.serving.watch import Watch


def described(
    wanted: Sequence[WantedModel], watch: Watch | None, retiring: Container[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Describe each version and its state.

    Args:
        wanted: The models with their versions.
        watch: Of the TorchServe that serves; None where there is none.
        retiring: Names and versions that are being retired.

    Returns:
        A record a version. Its ``state`` is ``ready``, ``not ready`` (no verified worker),
        ``loading``, ``left out`` (it could not be loaded), ``retiring``, or ``unavailable`` (no
        TorchServe serves).
    """
    return [
        {
            "name": model.name,
            "version": version.version,
            "default": version.version == model.default,
            "canary_percent": model.canary_percent(version.version),
            "canary_withdrawn": version.version == model.withdrawn,
            **_health_of(watch, model.name, version.version, retiring),
            "registered": version.registered,
            "sha256": version.sha256,
        }
        for model in wanted
        for version in model.versions
    ]


def shares_of(wanted: Sequence[WantedModel], watch: Watch) -> Sequence[Share]:
    """Of the canaries that are loaded; one that is not leaves its share to the default.

    Raises ServingError.
    """
    return [
        Share(model.name, model.canary.version, model.canary.percent)
        for model in wanted
        if model.canary and watch.proved_workers(model.name, model.canary.version)
    ]


def _health_of(
    watch: Watch | None, name: str, version: str, retiring: Container[tuple[str, str]]
) -> dict[str, Any]:
    try:
        if watch:
            workers = watch.api.ready_workers(name, version)
            state = "retiring" if (name, version) in retiring else _state_of(watch, name, version)
            return {"workers": len(workers), "ready": state == "ready", "state": state}
    except ServingError:
        pass  # TorchServe has ended meanwhile
    return {"workers": 0, "ready": False, "state": "unavailable"}


def _state_of(watch: Watch, name: str, version: str) -> str:
    if watch.run_dir.unloaded(name, version).exists():
        return "loading"
    if watch.verified_archive(name, version) is None:
        return "left out"
    return "ready" if watch.proved_workers(name, version) else "not ready"
