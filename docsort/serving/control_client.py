"""Asks a running supervisor about its versions; control.py answers. Imports nothing heavy."""

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from docsort.core.errors import ServingError


def ask(control: Path, what: str, **arguments: Any) -> Any:
    """The supervisor's answer, however long a change takes. Raises ServingError if it refuses."""
    with socket.socket(socket.AF_UNIX) as plug:  # httpx leaves one open that is refused
        connection = HTTPConnection("docsort")
        connection.sock = plug
        try:
            plug.connect(str(control))
        except OSError as error:
            raise ServingError(
                f"no docsort serves from {control.parent} ({error.strerror}); start "
                "`docsort serve`, or name its --run-dir or --port"
            ) from error
        try:
            connection.request("POST", f"/{what}", json.dumps(arguments))
            response = connection.getresponse()
            content = json.loads(response.read())
        except (OSError, HTTPException) as error:
            raise ServingError(f"docsort serve ended before it answered ({error!r})") from error
    if response.status != 200:
        raise ServingError(content["error"])
    return content["answer"]
