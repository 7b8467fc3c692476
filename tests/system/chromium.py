"""Chromium without a screen, as its chromedriver lets it be driven (W3C WebDriver, JSON over HTTP)."""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

from wait import until

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1200,1000")


def missing():
    """What is not installed here."""
    return [name for name in ("chromium", "chromedriver") if not shutil.which(name)]


class Failed(Exception):
    """What the driver says of a command that failed."""


class Browser:
    """A browser with a profile of its own, until close."""

    def __init__(self, *flags):
        if missing():
            raise AssertionError(f"{' and '.join(missing())} cannot be found: dev/deps installs what is tested with")
        self.folder = tempfile.mkdtemp(prefix="clog-browser.")
        self.said = os.path.join(self.folder, "said")
        self.session = None
        with open(self.said, "wb") as said:
            self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                           env=os.environ | {"HOME": self.folder}, start_new_session=True)
        try:
            self.port = int(until(self.listening, 20, "chromedriver listens")[1])
            options = {"args": [*FLAGS, f"--user-data-dir={self.folder}/profile", *flags]}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
                      "acceptInsecureCerts": True, "timeouts": {"script": 20000, "pageLoad": 20000}}
            self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def listening(self):
        with open(self.said, encoding="utf-8", errors="replace") as said:
            return re.search(r"successfully on port (\d+)", said.read())

    def call(self, method, path, body=None):
        """One command, and what it gives."""
        prefix = f"/session/{self.session}" if self.session else ""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, prefix + path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            value = json.loads(connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise Failed(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def close(self):
        """Ends it, and all that it started."""
        with contextlib.suppress(OSError, Failed, http.client.HTTPException):
            if self.session:
                self.call("DELETE", "")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.driver.pid, signal.SIGKILL)
        self.driver.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    # What a page's user, or its author, does

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """Runs a script in the page, as a function's body, and gives what it returns; a promise is waited for."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector):
        """What an element shows; None when there is no such."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? null", selector)

    def type(self, selector, text):
        """Types into a field, and leaves it."""
        element = self.call("POST", "/element", {"using": "css selector", "value": selector})
        self.call("POST", f"/element/{next(iter(element.values()))}/value", {"text": text + "\t"})

    def click(self, selector):
        element = self.call("POST", "/element", {"using": "css selector", "value": selector})
        self.call("POST", f"/element/{next(iter(element.values()))}/click", {})

    def complaints(self):
        """What pages wrote to the console, or the browser about them, since the last time."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def command(self, name, **parameters):
        """A command of the browser's own (DevTools)."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def shoot(self, path):
        """Takes a picture of the page."""
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))
