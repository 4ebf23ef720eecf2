"""How the wanted versions stand in the TorchServe that serves. Changes nothing."""

from collections.abc import Sequence
from typing import Any

from docsort.core.errors import ServingError
from docsort.serving.nginx import Share
from docsort.serving.versions import WantedModel
from docsort.serving.watch import Watch


def described(wanted: Sequence[WantedModel], watch: Watch | None) -> list[dict[str, Any]]:
    """What is wanted and how it fares, a version each; no ``watch`` where no TorchServe serves."""
    return [
        {
            "name": model.name,
            "version": version.version,
            "default": version.version == model.default,
            "canary_percent": model.canary_percent(version.version),
            "canary_withdrawn": version.version == model.withdrawn,
            **_health_of(watch, model.name, version.version),
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


def _health_of(watch: Watch | None, name: str, version: str) -> dict[str, Any]:
    try:
        if watch:
            workers = watch.api.ready_workers(name, version)
            return {"workers": len(workers), "ready": bool(watch.proved_workers(name, version))}
    except ServingError:
        pass  # TorchServe has ended meanwhile
    return {"workers": 0, "ready": False}
