"""TorchServe's part: its process, its settings, and its management API over a unix socket.

Knows one TorchServe, not which versions ought to be in it.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from docsort.core.answer_cache import SIZE_VARIABLE
from docsort.core.errors import ServingError
from docsort.core.threads import THREAD_VARIABLES
from docsort.core.workload import TIMEOUT_VARIABLE
from docsort.serving.child import Child
from docsort.serving.mar import ArchiveInfo
from docsort.serving.programs import JAVA_OPTIONS
from docsort.serving.run_dir import RunDir
from docsort.serving.settings import ServeSettings
from docsort.serving.templates import render

# Nginx limits what clients send; golden documents, which do not pass it, may be longer.
_MIN_REQUEST_BYTES = 1 << 26
# Answers hold every label's score; 256 documents of a thousand labels are about 16 MB.
_MAX_RESPONSE_BYTES = 1 << 26
_HEAP = "512m"
_POLL_S = 0.1
_END_TIMEOUT_S = 15.0
# Settings of TorchServe, its log and Java, which would override those that docsort gives.
_OVERRIDES = ("TS_", "LOG_LOCATION", "METRICS_LOCATION", "LOG4J_", *JAVA_OPTIONS)
# Left by what started docsort: they would bring other code, or move a worker to another GPU.
_LEFTOVERS = ("PYTHON", "LOCAL_RANK")


def start_torchserve(
    java: str, site_packages: Path, settings: ServeSettings, run_dir: RunDir
) -> Child:
    """Start it in the foreground with no model; ``site_packages`` is the folder that holds ``ts``.

    Java is started directly, as TorchServe's own launcher would, which leaves a pid file behind.
    """
    run_dir.clear_torchserve()
    # not removed whole where a proof in the TorchServe before this one still unpacks into it
    run_dir.temporary.mkdir(exist_ok=True)
    config = run_dir.path / "config.properties"
    logging = run_dir.path / "log4j2.xml"
    context = {
        "settings": settings,
        "run_dir": run_dir,
        "max_request_bytes": max(settings.max_body_bytes + 65536, _MIN_REQUEST_BYTES),
        "max_response_bytes": _MAX_RESPONSE_BYTES,
    }
    config.write_text(render("config.properties.j2", **context), encoding="utf-8")
    logging.write_text(render("log4j2.xml.j2"), encoding="utf-8")
    (run_dir.path / "metrics.yaml").write_text(render("metrics.yaml.j2"), encoding="utf-8")
    command = [
        java,
        f"-Xmx{_HEAP}",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dmodel_server_home={site_packages}",
        f"-Djava.io.tmpdir={run_dir.temporary}",
        f"-Dlog4j.configurationFile=file://{logging}",
        "-cp",
        str(site_packages / "ts" / "frontend" / "*"),
        "org.pytorch.serve.ModelServer",
        "--python",
        sys.executable,
        "-f",
        str(config),
        "-s",
        str(settings.store.resolve()),
        "-ncs",  # no snapshots: the wanted state is kept by the supervisor
    ]
    log = run_dir.path / "torchserve.log"
    env = worker_environment(os.environ, settings, run_dir.temporary)
    return Child("TorchServe", command, run_dir.path, log, env, inherit=[run_dir.lock])


def end_torchserve(torchserve: Child) -> None:
    """It has no drain of its own: whoever calls has stopped sending requests."""
    torchserve.end(signal.SIGTERM, _END_TIMEOUT_S)


def ignored_overrides(environment: Mapping[str, str]) -> list[str]:
    """Names of variables that are not passed on, though somebody may have set them for it."""
    return sorted(name for name in environment if name.startswith(_OVERRIDES))


def worker_environment(
    environment: Mapping[str, str], settings: ServeSettings, temporary: Path
) -> dict[str, str]:
    """What TorchServe and its workers see of the environment, and what they are told besides."""
    dropped = (*_OVERRIDES, *_LEFTOVERS)
    kept = {k: v for k, v in environment.items() if not k.startswith(dropped)}
    return {
        **kept,
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "PYTHONNOUSERSITE": "1",
        "HF_HUB_OFFLINE": "1",
        **dict.fromkeys(THREAD_VARIABLES, str(settings.worker_threads)),
        TIMEOUT_VARIABLE: str(settings.response_timeout_s),
        SIZE_VARIABLE: str(settings.answer_cache),
        # Threads that spin between passes take the cores from Java, Nginx and other workers.
        "OMP_WAIT_POLICY": "PASSIVE",
        "KMP_BLOCKTIME": "0",
    }


class _RefusedError(ServingError):
    """TorchServe answered that it does not do it, and so has not done it."""


class TorchServeApi:
    """Management and inference over the unix sockets, with TorchServe's own tokens."""

    def __init__(self, run_dir: RunDir, timeout_s: float, management_port: int = 0) -> None:
        """Raises ServingError until TorchServe has written its tokens.

        ``timeout_s`` is the longest that a call may take.
        """
        try:
            keys = json.loads(run_dir.tokens.read_text(encoding="utf-8"))
            self.inference_token: str = keys["inference"]["key"]
            management_token = keys["management"]["key"]
        except (OSError, ValueError, KeyError) as error:
            raise ServingError(f"TorchServe's tokens cannot be read: {error}") from error
        address: str | Path = run_dir.management
        if management_port:
            address = f"http://127.0.0.1:{management_port}"
        self._management = _client(address, management_token, timeout_s)
        self._inference = _client(run_dir.inference, self.inference_token, timeout_s)
        # registrations whose answer never came: they may be done yet
        self._unanswered: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Close its connections."""
        self._management.close()
        self._inference.close()

    def is_up(self) -> bool:
        """Whether the management API answers; says nothing about models."""
        try:
            return self._management.get("/models", timeout=5.0).is_success
        except httpx.TransportError:
            return False

    def register(self, file: str, name: str, version: str, settings: ServeSettings) -> None:
        """Register an archive of the store and wait for its workers.

        With query parameters: from a JSON body TorchServe takes a maxBatchDelay of -10000. In two
        calls that return at once: a synchronous one holds one of TorchServe's few threads until all
        is loaded, and the clients' connections that share it.

        Raises ServingError, and then TorchServe has forgotten the version again; or forgets it when
        it is registered the next time, should it still be unpacking it.
        """
        if (name, version) in self._unanswered:
            self.unregister(name, version)
            self._unanswered.discard((name, version))
        parameters = {
            "url": file,
            "model_name": name,
            "initial_workers": 0,
            "batch_size": settings.batch_size,
            "max_batch_delay": settings.batch_delay_ms,
            "response_timeout": settings.response_timeout_s,
            "startup_timeout": settings.startup_timeout_s,
        }
        workers = {"min_worker": settings.workers, "max_worker": settings.workers}
        try:
            self._manage("POST", "/models", parameters)
        except _RefusedError:  # it may have been there before, and is somebody's
            raise
        except ServingError:
            self._unanswered.add((name, version))
            with suppress(ServingError):
                self.unregister(name, version)
            raise
        try:
            self._manage("PUT", f"/models/{name}/{version}", {**workers, "synchronous": "false"})
            self._wait_for_workers(name, version, settings)
        except ServingError:
            with suppress(ServingError):
                self.unregister(name, version)
            raise

    def _wait_for_workers(self, name: str, version: str, settings: ServeSettings) -> None:
        """TorchServe starts a worker that fails again and again; here, once is enough."""
        deadline = time.monotonic() + settings.startup_timeout_s
        seen: set[int] = set()
        while time.monotonic() < deadline:
            if len(self.ready_workers(name, version)) >= settings.workers:
                return
            seen |= set(self._workers(name, version))
            if len({pid for pid in seen if pid > 0}) > settings.workers:
                raise ServingError(f"{name} {version}: a worker ended while it loaded the archive")
            time.sleep(_POLL_S)
        raise ServingError(
            f"{name} {version} did not load within {settings.startup_timeout_s} s "
            "(--startup-timeout-s)"
        )

    def renew_workers(self, name: str, version: str, settings: ServeSettings) -> None:
        """End a version's workers, those that TorchServe has given up too, and begin others.

        Waits for none of them. Raises ServingError.
        """
        for workers in (0, settings.workers):
            parameters = {"min_worker": workers, "max_worker": workers, "synchronous": "false"}
            self._manage("PUT", f"/models/{name}/{version}", parameters)

    def set_default(self, name: str, version: str) -> None:
        """Let ``/predictions/NAME`` be answered by this version. Checks nothing."""
        self._manage("PUT", f"/models/{name}/{version}/set-default")

    def unregister(self, name: str, version: str) -> None:
        """Forget a version and end its workers, whatever they do. Refused for a default version."""
        self._manage("DELETE", f"/models/{name}/{version}", missing={})

    def ready_workers(self, name: str, version: str) -> set[int]:
        """Process ids of a version's workers that have loaded it."""
        workers = self._workers(name, version)
        return {pid for pid, status in workers.items() if status == "READY"}

    def num_pending(self, name: str, version: str) -> int:
        """A version's requests that no worker has taken yet."""
        with _understood("management API"):
            return int(self._describe(name, version)["jobQueueStatus"]["pendingRequests"])

    def _workers(self, name: str, version: str) -> dict[int, str]:
        """The status of each of a version's workers, by process id."""
        with _understood("management API"):
            return {w["pid"]: w["status"] for w in self._describe(name, version)["workers"]}

    def _describe(self, name: str, version: str) -> dict[str, Any]:
        """As TorchServe describes it; a version that it does not have has nothing."""
        nothing = [{"workers": [], "jobQueueStatus": {"pendingRequests": 0}}]
        description = self._manage("GET", f"/models/{name}/{version}", missing=nothing)
        return dict(description[0])

    def scores(self, info: ArchiveInfo, texts: Sequence[str]) -> np.ndarray:
        """Probabilities (D, C) that a version gives to texts, in the order of its labels.

        A request a text: together they could be over any limit on a request. Raises ServingError.
        """
        return np.array([self._scores_of(info, text) for text in texts])

    def _scores_of(self, info: ArchiveInfo, text: str) -> list[float]:
        path = f"/predictions/{info.name}/{info.version}"
        try:
            response = self._inference.post(
                path, content=text.encode(), headers={"Content-Type": "text/plain"}
            )
        except httpx.TransportError as error:
            raise ServingError(f"TorchServe's {path} does not answer: {error!r}") from error
        if not response.is_success:
            raise ServingError(f"TorchServe's {path} answers {response.status_code}")
        with _understood(path):
            row = {entry["label"]: float(entry["score"]) for entry in response.json()["scores"]}
            return [row[label] for label in info.labels]

    def _manage(
        self, method: str, path: str, parameters: dict[str, Any] | None = None, missing: Any = None
    ) -> Any:
        """``missing``, unless it is None, is the answer where TorchServe has no such version."""
        try:
            response = self._management.request(method, path, params=parameters)
        except httpx.TransportError as error:
            raise ServingError(f"TorchServe's management API does not answer: {error!r}") from error
        if response.status_code == 404 and missing is not None:
            return missing
        if not response.is_success:
            raise _RefusedError(f"TorchServe refuses {method} {path}: {_message_of(response)}")
        with _understood("management API"):
            return response.json()


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """Turn what an answer lacks into a ServingError: an archive's own code may have answered."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise ServingError(
            f"TorchServe's {what} answers what docsort does not know: {error!r}"
        ) from error


def _client(address: str | Path, token: str, timeout_s: float) -> httpx.Client:
    """``address`` is a URL, or a unix socket's path."""
    socket = str(address) if isinstance(address, Path) else None
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=socket),
        base_url="http://torchserve" if socket else str(address),
        headers={"Authorization": f"Bearer {token}"},
        timeout=timeout_s,
        trust_env=False,
    )


def _message_of(response: httpx.Response) -> str:
    try:
        return f"{response.status_code}, {response.json()['message']}"
    except (ValueError, KeyError, TypeError):
        return str(response.status_code)
