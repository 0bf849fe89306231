"""A real Chromium without a window, driven over its own pipe (Chrome DevTools Protocol): no port, no driver, no library between."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-sync",
    "--disable-features=OptimizationHints,MediaRouter,Translate", "--metrics-recording-only", "--force-color-profile=srgb", "--lang=en",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe",
)  # fmt: skip
REPLY_S = 30.0  # for one command, on a busy machine
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}


class Chromium:
    """Context manager. Each tab has a profile of its own, without a cache and storage of the others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._replies: dict[int, dict[str, Any]] = {}
        self._events: dict[str, list[tuple[str, dict[str, Any]]]] = {}  # by session
        self._news = threading.Condition()
        self._number = 0

    def __enter__(self) -> Self:
        assert PROGRAM is not None
        commands, self._out = _pipe()
        self._in, replies = _pipe()
        words = [PROGRAM, *SWITCHES, f"--user-data-dir={self.folder}/profile", "about:blank"]
        with (self.folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", f'exec "$0" "$@" 3<&{commands} 4>&{replies}', *words],
                pass_fds=(commands, replies), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOME": str(self.folder)},
            )  # fmt: skip
        os.close(commands)
        os.close(replies)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        os.close(self._out)
        os.close(self._in)

    def tab(self, *, width: int = 1200, height: int = 900) -> Tab:
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Tab(self, context, target, session, width, height)

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        with self._news:
            self._number += 1
            number = self._number
            message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
            octets = json.dumps(message).encode() + b"\0"
            while octets:
                octets = octets[os.write(self._out, octets) :]
            assert self._news.wait_for(lambda: number in self._replies, REPLY_S), f"{method}: no reply"
            reply = self._replies.pop(number)
        assert "error" not in reply, (method, reply["error"])
        result: dict[str, Any] = reply["result"]
        return result

    def events(self, session: str, method: str) -> list[dict[str, Any]]:
        with self._news:
            return [parameters for each, parameters in self._events.get(session, ()) if each == method]

    def _read(self) -> None:
        rest = b""
        while piece := os.read(self._in, 1 << 16):
            *messages, rest = (rest + piece).split(b"\0")
            with self._news:
                for octets in messages:
                    message = json.loads(octets)
                    if "id" in message:
                        self._replies[message["id"]] = message
                    else:
                        self._events.setdefault(message.get("sessionId", ""), []).append((message["method"], message["params"]))
                self._news.notify_all()


class Tab:
    """One page, and what has become of it: requests, faults, violations of its policy."""

    def __init__(self, browser: Chromium, context: str, target: str, session: str, width: int, height: int) -> None:
        self.browser, self.context, self.target, self.session = browser, context, target, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
        self.size(width, height)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def events(self, method: str) -> list[dict[str, Any]]:
        return self.browser.events(self.session, method)

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)

    def cover(self) -> None:
        """By another tab of the same window."""
        self.browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)

    def uncover(self) -> None:
        self.browser.call("Target.activateTarget", targetId=self.target)

    def goto(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)

    def media(self, **features: str) -> None:
        """`prefers_color_scheme="dark"`."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def evaluate(self, expression: str) -> Any:
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, allowUnsafeEvalBlockedByCSP=False
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, expression: str, seconds: float = 15.0) -> Any:
        """Its value, once that is true of anything."""
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                text = self.evaluate("document.body.innerText")
                raise AssertionError(f"not {expression} after {seconds} s; faults {self.faults}; the page:\n{text[:3000]}")
            time.sleep(0.02)
        return value

    def text(self, selector: str) -> str:
        found: str = self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return found

    def until_text(self, selector: str, text: str, seconds: float = 15.0) -> None:
        self.until(f"(document.querySelector({json.dumps(selector)})?.innerText ?? '').includes({json.dumps(text)})", seconds)

    def press(self, key: str, *, shift: bool = False) -> None:
        words = {"Enter": "\r", " ": " "}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code="Space" if key == " " else key, windowsVirtualKeyCode=KEYS[key],
                modifiers=8 if shift else 0, text=words.get(key, "") if kind == "keyDown" else "",
            )  # fmt: skip

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path, **clip: float) -> None:
        more = {"clip": {"scale": 1, **clip}} if clip else {}
        made = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **more)
        path.write_bytes(base64.b64decode(made["data"]))

    @property
    def requests(self) -> list[str]:
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]

    @property
    def faults(self) -> list[str]:
        """Exceptions that nobody caught, and what the browser complains of; not of requests that failed."""
        thrown = [event["exceptionDetails"]["exception"].get("description", "") for event in self.events("Runtime.exceptionThrown")]
        logged = [event["entry"] for event in self.events("Log.entryAdded")]
        return thrown + [entry["text"] for entry in logged if entry["level"] == "error" and entry["source"] != "network"]

    @property
    def violations(self) -> list[str]:
        found: list[str] = self.evaluate("window.violations")
        return found


_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


def _pipe() -> tuple[int, int]:
    """With numbers beyond those that the shell gives to the browser."""
    made = os.pipe()
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in made]
    for each in made:
        os.close(each)
    return high[0], high[1]
