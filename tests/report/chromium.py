"""Chromium without a window, driven through its own protocol over a pipe (no packages)."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "google-chrome")
PATIENCE = 60.0
#: What a reader's browser may do is enough; it must reach nothing outside this machine.
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"),
)


def found() -> str | None:
    """Return the browser of this machine, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One tab, and all that it complained of or asked for."""

    def __init__(self, send: int, receive: int):
        self._send, self._receive, self._buffer, self._number = send, receive, b"", 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Load a file and wait until it is there."""
        self._loaded = False
        self.call("Page.navigate", url=path.resolve().as_uri())
        self._until(lambda: self._loaded)

    def run(self, script: str) -> Any:
        """Return the value of a script, as JSON holds it."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click where a reader would, in the middle of what is seen of an element."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " const y0 = Math.max(r.top, 0), y1 = Math.min(r.bottom, innerHeight);"
            " const x0 = Math.max(r.left, 0), x1 = Math.min(r.right, innerWidth);"
            " return [(x0 + x1) / 2, (y0 + y1) / 2]; })()"
        )
        where = {"x": x, "y": y, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **where)

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser for something and return its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        answer: dict[str, Any] = {}
        self._until(lambda: answer, answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _until(self, done: Callable[[], Any], answer: dict[str, Any] | None = None) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            while b"\0" not in self._buffer:
                if not select.select([self._receive], [], [], max(0, end - time.monotonic()))[0]:
                    raise AssertionError(f"the browser said nothing for {PATIENCE:.0f} s")
                piece = os.read(self._receive, 1 << 20)
                if not piece:
                    raise AssertionError("the browser ended")
                self._buffer += piece
            text, self._buffer = self._buffer.split(b"\0", 1)
            message = json.loads(text)
            if message.get("id") == self._number and answer is not None:
                answer.update(message)
            else:
                self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"][:200])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(str(params["args"]))
            case "Log.entryAdded":
                self.complaints.append(str(params["entry"]))


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """Start a browser with an empty profile in `folder`, and end it."""
    to_browser, send = os.pipe()
    receive, from_browser = os.pipe()
    program = found()
    assert program, f"there is none of {', '.join(NAMES)}; make test-browser installs one as root"
    # the protocol wants the pipe's ends as descriptors 3 and 4
    script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    command = ["bash", "-c", script, "bash", program, *FLAGS, f"--user-data-dir={folder}"]
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            command, pass_fds=(to_browser, from_browser), stdout=errors, stderr=errors
        )
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Tab(send, receive)
    finally:
        os.close(send)
        os.close(receive)
        process.terminate()
        process.wait(timeout=30)
