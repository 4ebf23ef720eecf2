"""Asks a running supervisor about its versions; control.py answers. Imports nothing heavy."""

from pathlib import Path
from typing import Any

import httpx

from docsort.core.errors import ServingError


def ask(socket: Path, what: str, **arguments: Any) -> Any:
    """The supervisor's answer, however long a change takes. Raises ServingError if it refuses."""
    transport = httpx.HTTPTransport(uds=str(socket))
    try:
        with httpx.Client(transport=transport, timeout=httpx.Timeout(None)) as client:
            response = client.post(f"http://docsort/{what}", json=arguments)
    except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
        raise ServingError(
            f"no docsort serves from {socket.parent} ({error}); start `docsort serve`, or name its "
            "--run-dir or --port"
        ) from error
    except httpx.TransportError as error:
        raise ServingError(f"docsort serve ended before it answered ({error!r})") from error
    content = response.json()
    if not response.is_success:
        raise ServingError(content["error"])
    return content["answer"]
