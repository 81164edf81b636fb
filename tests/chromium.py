"""A headless Chromium for tests, driven over the WebDriver protocol with nothing but urllib."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


class Browser:
    """One browser window; the methods are the few commands the tests need."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, page: Path) -> None:
        self._post("url", {"url": page.as_uri()})

    def run(self, script: str) -> Any:
        """Run a script in the page and return what it returns."""
        return self._post("execute/sync", {"script": script, "args": []})

    def click(self, selector: str) -> None:
        """Click as a person does: at the element's place, after scrolling there."""
        element = self._post("element", {"using": "css selector", "value": selector})
        (identifier,) = element.values()
        self._post(f"element/{identifier}/click", {})

    def press(self, key: str) -> None:
        down_up = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._post("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": down_up}]})

    def width(self, pixels: int, height: int = 900) -> None:
        """Show the page as a screen of this width would, phones included."""
        metrics = {"width": pixels, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, name: str, media: str = "") -> None:
        """Prefer the "light" or "dark" colour scheme; `media` may be "print"."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.devtools("Emulation.setEmulatedMedia", {"media": media, "features": [feature]})

    def console(self) -> list[str]:
        """Return what the browser logged since the last call, network failures included."""
        return [entry["message"] for entry in self._post("se/log", {"type": "browser"})]

    def screenshot(self, path: Path) -> None:
        """Save the whole page, however long, as a PNG file."""
        size = self.run(
            "const d = document.documentElement; return [d.clientWidth, d.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        picture = self.devtools("Page.captureScreenshot", options)["data"]
        path.write_bytes(base64.b64decode(picture))

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._post("goog/cdp/execute", {"cmd": command, "params": parameters})

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        return _call(f"{self._session}/{command}", body)


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and end it with its driver afterwards.

    Raises
    ------
    LookupError
        When Chromium or its driver is not there or does not start.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise LookupError("Chromium and ChromeDriver are not installed")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True) as process,
    ):
        try:
            server = f"http://127.0.0.1:{_port(process)}"
            options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={profile}"]}
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            made = _call(f"{server}/session", {"capabilities": {"alwaysMatch": wanted}})
            session = f"{server}/session/{made['sessionId']}"
            try:
                yield Browser(session)
            finally:
                _call(session, None, "DELETE")
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if found := re.search(r"started successfully on port (\d+)", line):
            return found[1]
        if not line:
            break
    raise LookupError("ChromeDriver did not start")


def _call(url: str, body: dict[str, Any] | None, method: str = "POST") -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        problem = json.load(error)["value"]
        if url.endswith("/session"):
            raise LookupError(f"Chromium did not start: {problem['message']}") from None
        raise RuntimeError(f"{problem['error']}: {problem['message']}") from None
