"""A screenshot of a page that draws with WebGL, through ChromeDriver's W3C protocol; only the standard library.

    python3 tools/web_viewer_picture.py URL OUT.png [SECONDS]

Waits SECONDS at most: takes a picture every few seconds until two that show something are alike, and keeps the last.
"""

import base64
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

FLAGS = [
    "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    # Headless windows keep 143 rows for a frame that is not there.
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=1600,1043", "--force-dark-mode",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Browser:
    """One session with ChromeDriver."""

    def __init__(self, profile):
        port = free_port()
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        for _ in range(60):
            try:
                self.ask("GET", "/status")
                break
            except OSError:
                time.sleep(0.5)
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=180) as answer:
            return json.load(answer)["value"]

    def at(self, method, path, body=None):
        return self.ask(method, f"/session/{self.session}{path}", body)

    def close(self):
        try:
            self.at("DELETE", "")
        except OSError:
            pass
        self.driver.terminate()
        self.driver.wait()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    url, out = sys.argv[1], sys.argv[2]
    limit = float(sys.argv[3]) if len(sys.argv) > 3 else 45.0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            browser.at("POST", "/url", {"url": url})
            end, last = time.monotonic() + limit, b""
            while time.monotonic() < end:
                time.sleep(5)
                shot = base64.b64decode(browser.at("GET", "/screenshot"))
                # A page that only loads packs into a few kilobytes; the viewer with pictures does not.
                if len(shot) > 120_000 and abs(len(shot) - len(last)) < len(shot) // 200:
                    last = shot
                    break
                last = shot
            with open(out, "wb") as file:
                file.write(last)
            print(f"{out}: {len(last)} bytes")
            if len(last) < 60_000:
                for line in browser.at("POST", "/se/log", {"type": "browser"})[-8:]:
                    print(line.get("message"), file=sys.stderr)
                sys.exit("the page shows next to nothing")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
