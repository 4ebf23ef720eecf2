"""What ``docsort serve`` can be told: each setting's name, default and effect stand here alone.

A setting's name is its option's; commands/serve.py makes the options of the fields.
"""

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docsort.core.errors import ConfigError

DEFAULT_STORE = Path("model_store")
# Stands in Nginx's and TorchServe's configuration, where quotes, spaces and $ would mean something.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+\Z")


def _num_cores() -> int:
    return len(os.sched_getaffinity(0))


def _setting(default: Any, effect: str) -> Any:
    """A field that is an option too; ``effect`` is its help, and tells its unit."""
    return field(default=default, metadata={"help": effect})


@dataclass(frozen=True)
class ServeSettings:
    """Settings of one supervisor.

    ``run_dir`` holds sockets, configuration, logs and unpacked archives.
    """

    store: Path
    run_dir: Path
    host: str = _setting("127.0.0.1", "IP address to listen on")
    port: int = _setting(1337, "TCP port to listen on")
    workers: int = _setting(1, "processes a version")
    threads: int = field(
        default_factory=_num_cores, metadata={"help": "threads a worker; all cores unless given"}
    )
    batch_size: int = _setting(32, "requests scored together, at most")
    batch_delay_ms: int = _setting(5, "milliseconds to wait for a batch to fill")
    queue_size: int = _setting(100, "requests of a version that may wait; others are answered 503")
    max_body_bytes: int = _setting(1 << 20, "bytes of a request's body, at most")
    response_timeout_s: int = _setting(120, "seconds that scoring one batch may take")
    startup_timeout_s: int = _setting(120, "seconds that loading a version may take")
    drain_timeout_s: int = _setting(30, "seconds that requests in flight are waited for at the end")

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "batch_size", "queue_size", "max_body_bytes"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("response_timeout_s", "startup_timeout_s", "drain_timeout_s"):
            self._check(name, getattr(self, name) >= 1, "1 second or more")
        self._check("batch_delay_ms", self.batch_delay_ms >= 1, "1 or more")
        self._check("port", 0 < self.port < 65536, "1 to 65535")
        self._check("host", _is_address(self.host), "an IP address, such as 127.0.0.1 or 0.0.0.0")
        plain = self.run_dir.is_absolute() and _PLAIN_PATH.match(str(self.run_dir)) is not None
        self._check("run_dir", plain, "an absolute path of letters, digits and / . _ + -")

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the endpoint."""
        address = ipaddress.ip_address(self.host)
        host = "127.0.0.1" if address.is_unspecified else self.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def _check(self, name: str, holds: bool, accepted: str) -> None:
        if not holds:
            option = "--" + name.replace("_", "-")
            raise ConfigError(
                f"{option} {getattr(self, name)} is not accepted; it must be {accepted}"
            )


def default_run_dir(port: int) -> Path:
    """The same for every start on this port, so that a later one clears what a crash left."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir() and _PLAIN_PATH.match(runtime):
        return Path(runtime) / f"docsort-{port}"
    return Path("/tmp") / f"docsort-{os.getuid()}-{port}"  # short: sockets stand in it


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
