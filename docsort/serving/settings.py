"""What ``docsort serve`` can be told: each setting's name, default and effect stand here alone.

A setting's name is its option's; commands/serve.py makes the options of the fields.
"""

import ipaddress
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from docsort.core.errors import ConfigError
from docsort.core.gpus import named_gpus

DEFAULT_STORE = Path("model_store")
DEFAULT_PORT = 1337
RUN_DIR_VARIABLE = "DOCSORT_RUN_DIR"
MAX_ARCHIVE_BYTES = 4 << 30
# Stands in Nginx's and TorchServe's configuration, where quotes, spaces and $ would mean something.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+\Z")
# Of a version's queue, whose bodies may all be the largest: half of Java's heap (torchserve.py).
# TorchServe ends when that is full.
MAX_WAITING_BYTES = 256 << 20
# Of one Nginx: three sockets to listen on and its master's channel (it refuses fewer than 4), and
# three of each prediction, the client's, the gatekeeper's and TorchServe's.
MIN_CONNECTIONS = 16
_AT_LEAST_ONE = (
    "workers",
    "batch_size",
    "batch_delay_ms",
    "queue_size",
    "max_body_bytes",
    "max_archive_bytes",
    "client_connections",
    "client_timeout_s",
)


# Processes with one thread each answer the most documents a second; more than these would each hold
# the model in memory, so on more cores each gets several.
MAX_DEFAULT_WORKERS = 4


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))


def _num_gpus(devices: Path = Path("/dev")) -> int:
    """NVIDIA's GPUs that workers will use, found without torch, whose import takes seconds."""
    if version("torch").endswith("+cpu"):
        return 0
    there = len(list(devices.glob("nvidia[0-9]*")))
    named = named_gpus()
    return there if named is None else min(there, len(named))


def _default_workers() -> int:
    """TorchServe gives each worker one GPU, in turn: two on one would each hold all in it."""
    return _num_gpus() or min(_num_cores(), MAX_DEFAULT_WORKERS)


def _setting(default: Any, effect: str) -> Any:
    """A field that is an option too; ``effect`` is its help, and tells its unit."""
    return field(default=default, metadata=_option(effect, type(default)))


def _option(effect: str, read: Callable[[str], Any]) -> dict[str, Any]:
    """``read`` makes the value of the option's text."""
    return {"help": effect, "read": read}


@dataclass(frozen=True)
class ServeSettings:
    """Settings of one supervisor.

    ``run_dir`` holds sockets, configuration, logs and unpacked archives.
    """

    store: Path
    run_dir: Path
    host: str = _setting("127.0.0.1", "IP address to listen on")
    port: int = _setting(DEFAULT_PORT, "TCP port to listen on")
    nginx: str = _setting(
        "own", "own: Nginx is started too; external: only configured, for another container's Nginx"
    )
    workers: int = field(
        default_factory=_default_workers,
        metadata=_option(
            "processes a version; unless given one a GPU, or without one a core, 4 at most", int
        ),
    )
    threads: int = _setting(0, "threads a worker; 0: as many as the workers leave of the cores")
    batch_size: int = _setting(4, "requests that a worker scores together, at most")
    batch_delay_ms: int = _setting(1, "milliseconds to wait for a batch to fill")
    queue_size: int = _setting(100, "requests of a version that may wait; others are answered 503")
    answer_cache: int = _setting(
        0, "answers that a worker keeps, to give them again to the same text; 0: none"
    )
    max_body_bytes: int = _setting(1 << 20, "bytes of a request's body, at most")
    max_header_bytes: int = _setting(8192, "bytes of one header, and of the path, at most")
    max_connections: int = _setting(1024, "open connections in all, TorchServe's included")
    # Fewer than queue_size, so that no address alone shuts the others out.
    client_connections: int = _setting(
        80,
        "predictions under way for one address, at most, until TorchServe answers them even if the "
        "client hangs up; under the queue's size, or one address fills it",
    )
    trusted_proxies: str = _setting(
        "",
        "CIDR[,CIDR]: proxies whose X-Forwarded-For names the client that limits and log are for",
    )
    rate_per_s: int = _setting(0, "predictions a second for one address; 0: no limit")
    rate_burst: int = _setting(64, "predictions over the rate that an address may send at once")
    client_timeout_s: int = _setting(10, "seconds that a client may send or take nothing")
    response_timeout_s: int = _setting(120, "seconds that scoring one batch may take")
    startup_timeout_s: int = _setting(120, "seconds that loading a version may take")
    drain_timeout_s: int = _setting(30, "seconds that requests in flight are waited for at the end")
    tls_certificate: Path | None = field(
        default=None, metadata=_option("PEM file: speak TLS, with this chain", Path)
    )
    tls_key: Path | None = field(
        default=None, metadata=_option("PEM file: the certificate's private key", Path)
    )
    api_keys: Path | None = field(
        default=None, metadata=_option("file of `docsort keys`: answer predictions to these", Path)
    )
    access_log: Path | None = field(
        default=None,
        metadata=_option(
            "file for a JSON line a request, /dev/null for none; RUN_DIR/door/nginx/access.log "
            "unless given; /dev/stdout with --nginx external only",
            Path,
        ),
    )
    max_access_log_bytes: int = _setting(
        64 << 20, "bytes of the access log that put it aside as FILE.old, in place of it; 0: never"
    )
    max_archive_bytes: int = _setting(
        MAX_ARCHIVE_BYTES, "bytes of an archive to be registered, at most"
    )
    management_port: int = _setting(
        0,
        "loopback TCP port of TorchServe's management API, in place of its socket; 0: none",
    )
    metrics_host: str = _setting("127.0.0.1", "IP address for Prometheus; keep it private")
    metrics_port: int = _setting(0, "TCP port for Prometheus; 0: RUN_DIR/door/metrics.sock alone")

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ONE:
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("response_timeout_s", "startup_timeout_s", "drain_timeout_s"):
            self._check(name, getattr(self, name) >= 1, "1 second or more")
        for name in ("threads", "rate_per_s", "rate_burst", "answer_cache", "max_access_log_bytes"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check(
            "queue_size",
            self.queue_size * self.max_body_bytes <= MAX_WAITING_BYTES,
            f"{MAX_WAITING_BYTES // self.max_body_bytes} at most with --max-body-bytes "
            f"{self.max_body_bytes}, since TorchServe holds what waits in memory",
        )
        # Nginx reads a request's first bytes into a buffer of 1 kB
        self._check("max_header_bytes", self.max_header_bytes >= 1024, "1024 or more")
        self._check("nginx", self.nginx in ("own", "external"), "own or external")
        self._check("port", 0 < self.port < 65536, "1 to 65535")
        taken = {self.port}
        for name in ("management_port", "metrics_port"):
            port = getattr(self, name)
            accepted = "0, or 1 to 65535 and no other port of this server's"
            self._check(name, port == 0 or (0 < port < 65536 and port not in taken), accepted)
            taken.add(port)
        enough = self.max_connections >= MIN_CONNECTIONS
        self._check("max_connections", enough, f"{MIN_CONNECTIONS} or more")
        for name in ("host", "metrics_host"):
            accepted = "an IP address, such as 127.0.0.1 or 0.0.0.0"
            self._check(name, _is_address(getattr(self, name)), accepted)
        for name, path in (("run_dir", self.run_dir), ("access_log", self.access_log)):
            plain = path is None or (path.is_absolute() and _PLAIN_PATH.match(str(path)))
            self._check(name, bool(plain), "an absolute path of letters, digits and / . _ + -")
        accepted = "networks such as 10.0.0.0/8,fd00::/8 or addresses, and not of every address"
        self._check("trusted_proxies", _are_networks(self.trusted_proxies), accepted)
        self._check_tls()

    @property
    def trusted_networks(self) -> list[str]:
        """Networks of the proxies whose X-Forwarded-For is believed, in CIDR notation."""
        parts = [part.strip() for part in self.trusted_proxies.split(",")]
        return [str(ipaddress.ip_network(part)) for part in parts if self.trusted_proxies]

    @property
    def worker_threads(self) -> int:
        """Threads of each worker."""
        return self.threads or max(1, _num_cores() // self.workers)

    @property
    def answer_timeout_s(self) -> int:
        """What a client is let wait for its answer: one batch before its own, and its own."""
        return 2 * self.response_timeout_s + 10

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the endpoint."""
        address = ipaddress.ip_address(self.host)
        host = "127.0.0.1" if address.is_unspecified else self.host
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://{socket_address(host, self.port)}"

    def _check_tls(self) -> None:
        """Find now what Nginx would only refuse after TorchServe has started."""
        if self.tls_certificate is None and self.tls_key is None:
            return
        if self.tls_certificate is None or self.tls_key is None:
            raise ConfigError("give both of --tls-certificate and --tls-key, or neither")
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            # an empty password, else a locked key would ask for one on the terminal
            context.load_cert_chain(self.tls_certificate, self.tls_key, password="")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--tls-certificate {self.tls_certificate} with --tls-key {self.tls_key} is not "
                f"accepted ({error}); give a PEM chain and its own key, without a passphrase"
            ) from error

    def _check(self, name: str, holds: bool, accepted: str) -> None:
        if not holds:
            option = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{option} {getattr(self, name)} is not accepted; it must be {accepted}"
            )


def default_run_dir(port: int) -> Path:
    """The same for every start on this port, so that a later one clears what a crash left.

    $DOCSORT_RUN_DIR where it is set, as in the image, whose server has only one.
    """
    if named := os.environ.get(RUN_DIR_VARIABLE):
        return Path(named).absolute()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and _PLAIN_PATH.match(runtime):
        return Path(runtime) / f"docsort-{port}"
    return Path("/tmp") / f"docsort-{os.getuid()}-{port}"  # short: sockets stand in it


def socket_address(host: str, port: int) -> str:
    """As URLs and Nginx write it: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _are_networks(proxies: str) -> bool:
    """Whether each part is a network; everybody's would let a client give itself any address."""
    try:
        networks = [ipaddress.ip_network(part.strip()) for part in proxies.split(",") if proxies]
    except ValueError:
        return False
    # Nginx knows no scope, as in fe80::1%eth0
    return all(network.prefixlen for network in networks) and "%" not in proxies


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
