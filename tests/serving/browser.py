"""Chromium without a window, driven by its DevTools protocol over a pipe: no port is opened, no library is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WAITS_S = 60.0
AS_3_AND_4 = """import os, sys
high = [os.dup(os.dup(os.dup(int(one)))) for one in sys.argv[1:3]]
for wanted, given in zip((3, 4), high):
    os.dup2(given, wanted)
os.execv(sys.argv[3], sys.argv[3:])"""  # where Chromium reads and writes
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}


class Tab:
    """A page, and what happened in it.

    Attributes:
        asked: the addresses of all requests.
        wrong: errors and messages of the console.
    """

    def __init__(self, send: Any, receive: Any) -> None:
        self._send, self._receive, self._number = send, receive, 0
        self.session, self.asked, self.wrong, self.events = "", list[str](), list[str](), list[dict[str, Any]]()

    def call(self, method: str, **given: Any) -> Any:
        """The result of a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": given}
        self._send({**message, "sessionId": self.session} if self.session else message)
        while True:
            found = self._receive()
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            self._heard(found)

    def _heard(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        kind, given = event.get("method"), event.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.asked.append(given["request"]["url"])
        elif kind in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.wrong.append(json.dumps(given))

    def js(self, expression: str) -> Any:
        """The value of an expression; of a promise what it comes to."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Its value, once that is true."""
        end = time.monotonic() + WAITS_S
        while not (found := self.js(expression)):
            assert time.monotonic() < end, (expression, self.js("document.body.innerText"), self.wrong)
            time.sleep(0.05)
        return found

    def open(
        self, url: str, width: int = 1400, dark: bool = False, language: str = "en-US", there: str = ".card"
    ) -> None:
        """Go there, in a window of that width, until something is there."""
        phone = width < 800
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)
        agent = self.js("navigator.userAgent")
        self.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)
        self.call("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && document.querySelectorAll('{there}').length")

    def drop(self, *files: Path) -> None:
        """Drop files on the middle of the page, as from the desktop."""
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=200, y=150, data=data)

    def press(self, key: str) -> None:
        """A key, down and up."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def picture(self, path: Path) -> None:
        """A picture of all of the page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A tab of a new Chromium; it ends with the block."""
    assert CHROMIUM is not None
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    options = [
        "--headless=new",
        "--no-sandbox",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        "--disable-gpu",
    ]
    options += ["--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage", "about:blank"]
    command = [sys.executable, "-c", AS_3_AND_4, str(theirs_in), str(theirs_out), CHROMIUM, *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, pass_fds=(theirs_in, theirs_out), start_new_session=True, **quiet)  # type: ignore[call-overload]
    os.close(theirs_in)
    os.close(theirs_out)
    with os.fdopen(ours_out, "wb", 0) as out, os.fdopen(ours_in, "rb") as back:

        def receive() -> dict[str, Any]:
            found = bytearray()
            while (one := back.read(1)) != b"\0":
                assert one, "Chromium ended"
                found += one
            return dict(json.loads(found))

        tab = Tab(lambda message: out.write(json.dumps(message).encode() + b"\0"), receive)
        try:
            target = tab.call("Target.createTarget", url="about:blank")["targetId"]
            tab.session = tab.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
                tab.call(f"{domain}.enable")
            yield tab
            tab.session = ""
            tab.call("Browser.close")
        finally:
            process.terminate()
            process.wait(30)
