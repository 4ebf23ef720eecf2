"""What serving needs of the machine: Java, Nginx, a free port, GPUs that TorchServe can name.

All is looked at before anything is started; each error names the Debian package to install.
"""

import importlib.metadata
import ipaddress
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from docsort.core.errors import ServingError
from docsort.core.gpus import VISIBLE_GPUS, named_gpus

MIN_JAVA = 17
# Debian puts Nginx where an ordinary user's PATH does not look.
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
# Options that java, or its virtual machine, takes from the environment.
JAVA_OPTIONS = (
    "_JAVA_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "OPENJ9_JAVA_OPTIONS",
    "IBM_JAVA_OPTIONS",
)
# The kernel's sun_path holds 108 bytes, the final NUL included.
MAX_SOCKET_PATH_BYTES = 107


def find_java() -> str:
    """Java of version 17 or later, from JAVA_HOME or PATH. Raises ServingError."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        where = f"JAVA_HOME={home}" if home else "PATH"
        raise ServingError(
            f"TorchServe needs Java {MIN_JAVA}, and {where} has no java; install Debian's package "
            "openjdk-17-jre-headless"
        )
    said = _output_of(java, "-version")
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < MIN_JAVA:
        raise ServingError(
            f"TorchServe needs Java {MIN_JAVA}, and {java} is {said.splitlines()[:1]}; install "
            "Debian's package openjdk-17-jre-headless"
        )
    return java


def find_nginx() -> str:
    """Nginx, from PATH or where Debian puts it. Raises ServingError."""
    folders = [os.environ.get("PATH", ""), *SYSTEM_FOLDERS]
    nginx = shutil.which("nginx", path=os.pathsep.join(folders))
    if nginx is None:
        raise ServingError(
            "no nginx in PATH nor in /usr/sbin; install Debian's package nginx-light"
        )
    return nginx


def find_torchserve() -> Path:
    """The folder that holds the package ``ts``. Raises ServingError."""
    try:
        found = importlib.metadata.distribution("torchserve").locate_file("ts")
    except importlib.metadata.PackageNotFoundError as error:
        raise ServingError(
            "TorchServe is not installed in this Python; install docsort[serve]"
        ) from error
    package = Path(str(found)).resolve()
    if not (package / "frontend" / "model-server.jar").is_file():
        raise ServingError(f"{package} has no frontend/model-server.jar; reinstall torchserve")
    return package.parent


def check_port(option: str, host: str, port: int) -> None:
    """Raise ServingError, which names the port's option, unless it can be listened on now."""
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As Nginx sets it: connections that linger from the last run are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise ServingError(
                f"{option} {port} cannot be used on {host} ({error.strerror}); stop what listens "
                "there, or choose another port or address"
            ) from error


def check_gpus() -> None:
    """Raise ServingError where TorchServe would end at its start: it takes GPUs by number alone.

    See getAvailableGpu of ConfigManager in TorchServe 0.12.
    """
    for name in named_gpus() or ():
        if not name.isdecimal():
            raise ServingError(
                f"{VISIBLE_GPUS} names the GPU {name}, and TorchServe takes GPUs by number alone; "
                "give 0, 1 and so on, or -1 to serve on the CPU"
            )


def check_socket_path(path: Path) -> None:
    """Raise ServingError where the kernel would refuse a unix socket's path as too long."""
    if (length := len(os.fsencode(path))) > MAX_SOCKET_PATH_BYTES:
        raise ServingError(
            f"the unix socket {path} would have a path of {length} bytes, over the kernel's "
            f"{MAX_SOCKET_PATH_BYTES}; choose a shorter --run-dir"
        )


def _output_of(program: str, option: str) -> str:
    try:
        finished = subprocess.run(
            [program, option],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={k: v for k, v in os.environ.items() if k not in JAVA_OPTIONS},
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServingError(f"{program} {option} does not run: {error}") from error
    return finished.stdout
