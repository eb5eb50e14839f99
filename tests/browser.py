"""A real browser without a window, driven by Chrome's DevTools protocol over its web socket."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SLOW_S = 240  # two cores for many
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0"),
)


class Tab:
    """One page of a browser."""

    def __init__(self, socket: ClientConnection):
        self._socket, self._number = socket, 0

    def call(self, method: str, **given: Any) -> dict:
        """Call a method of the protocol and return its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": given}))
        while (reply := json.loads(self._socket.recv(timeout=SLOW_S))).get("id") != self._number:
            pass  # an event
        assert "error" not in reply, (method, reply)
        return reply["result"]

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, url: str, *, width: int = 1400) -> None:
        """Open a page at a width, in CSS pixels."""
        self.resize(width)
        self.call("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def resize(self, width: int) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def wait(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        until = time.monotonic() + SLOW_S
        while not self.evaluate(condition):
            assert time.monotonic() < until, condition
            time.sleep(0.1)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input of a form."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


@contextmanager
def tab(profile: Path) -> Iterator[Tab]:
    """Start a browser with one page.

    Args:
        profile: folder for what it keeps.
    """
    assert CHROMIUM is not None
    told = profile / "DevToolsActivePort"
    told.unlink(missing_ok=True)  # of a browser before
    browser = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + SLOW_S
        while not told.is_file() or len(told.read_text().splitlines()) < 2:
            assert browser.poll() is None and time.monotonic() < until, "the browser did not start"
            time.sleep(0.1)
        port, path = told.read_text().splitlines()
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as whole:
            pages = Tab(whole).call("Target.getTargets")["targetInfos"]
        [page] = [each["targetId"] for each in pages if each["type"] == "page"]
        with connect(f"ws://127.0.0.1:{port}/devtools/page/{page}", max_size=None, proxy=None) as socket:
            yield Tab(socket)
    finally:
        browser.terminate()
        browser.wait(timeout=SLOW_S)
