"""A real Chromium, driven over its DevTools pipe: what a person does and sees, with no library."""

import base64
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.chromium import CHROMIUM

FLAGS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars
--disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage
--ignore-certificate-errors --remote-debugging-pipe
""".split()  # noqa: SIM905
TIMEOUT_S = 180


class Page:
    """One tab. ``complaints`` is what its console and its policy said, Chromium's notes aside.

    (That a field is no longer focused by itself, say, where the test was there first.)
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str, width: int, height: int, dark: bool = False) -> None:
        """Load a page in a window (a phone's where it is narrow)."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=url)
        self.wait_for(f"document.readyState === 'complete' && location.href === {url!r}")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        said = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Return once a JavaScript expression is true."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.run(condition):
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)

    def type(self, text: str) -> None:
        """Into whatever has the focus."""
        self._call("Input.insertText", text=text)

    def screenshot(self, file: Path) -> None:
        """The whole page, however long."""
        said = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(said["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            said = self._read()
            if said.get("id") == number:
                assert "error" not in said, (method, said)
                return dict(said["result"])
            about = said.get("params", {})
            match said.get("method"):
                case "Log.entryAdded" if about["entry"]["level"] in ("warning", "error"):
                    self.complaints.append(json.dumps(about))
                case "Runtime.exceptionThrown":
                    self.complaints.append(json.dumps(about))
                case "Runtime.consoleAPICalled":
                    self.complaints.append(json.dumps(about["args"]))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            received = os.read(self._from, 1 << 16)
            assert received, "Chromium ended"
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own, and end it."""
    read_end, to_browser = os.pipe()
    from_browser, write_end = os.pipe()
    # its pipe is file descriptors 3 and 4
    shell = f'exec "$@" 3<&{read_end} 4>&{write_end}'
    command = ["bash", "-c", shell, "bash", CHROMIUM, *FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        command, pass_fds=(read_end, write_end), stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(read_end)
    os.close(write_end)
    try:
        yield Page(to_browser, from_browser)
    finally:
        os.close(to_browser)
        os.close(from_browser)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_S)
