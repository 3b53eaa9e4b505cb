"""An independent QTI 3 player in a real browser, to compare our scores with.

The player is npm's ``@citolab/qti-components`` (GPL, used by tests alone, never part of what is shipped).
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).resolve().parent.parent.parent
PLAYER = ROOT / "node_modules" / "@citolab" / "qti-components" / "cdn"

PAGE = b"""<!doctype html><meta charset="utf-8"><title>judge</title>
<script type="module">
import "./index.js";
window.ready = true;
</script>"""

SCORE = """
const [cases, done] = arguments;
const pause = () => new Promise(resolve => setTimeout(resolve, 0));
const load = xml => new Promise((resolve, reject) => {
  document.body.replaceChildren();
  const outer = document.createElement("qti-item");
  const holder = document.createElement("item-container");
  outer.append(holder);
  outer.addEventListener("qti-assessment-item-connected", event => resolve(event.detail));
  holder.itemXML = xml;
  document.body.append(outer);
  setTimeout(() => reject(new Error("the player did not show the item")), 10000);
});
(async () => {
  const results = [];
  for (const [xml, responses] of cases) {
    const scores = [];
    for (const response of responses) {
      const item = await load(xml);
      await pause();
      for (const [name, value] of Object.entries(response)) item.updateResponseVariable(name, value);
      item.processResponse(true, false);
      const score = item.variables.find(v => v.identifier === "SCORE");
      scores.push(score ? score.value : null);
    }
    results.push(scores);
  }
  done(results);
})().catch(error => done(String(error)));
"""


class _Files(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE)
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


class Judge:
    """Scores items and responses as the player does."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def scores(
        self, cases: Sequence[tuple[bytes, Sequence[Mapping[str, str | list[str] | None]]]]
    ) -> list[list[float]]:
        """Return SCORE for every response of every item."""
        sent = [[xml.decode(), [dict(r) for r in responses]] for xml, responses in cases]
        answer: Any = self.driver.execute_async_script(SCORE, sent)
        if isinstance(answer, str):
            raise AssertionError(answer)
        return [[float(score or 0.0) for score in scores] for scores in answer]


@contextmanager
def judge(profile: Path) -> Iterator[Judge]:
    """Run the player in a browser with a profile of its own."""
    if not PLAYER.is_dir():
        raise AssertionError("the player is not installed: run 'make test', or 'npm ci'")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        raise AssertionError(
            "Debian's chromium and chromium-driver are needed: apt install chromium chromium-driver"
        )
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Files, directory=str(PLAYER))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--disable-dev-shm-usage", f"--user-data-dir={profile}"),
    ):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        driver.set_script_timeout(240)
        driver.get(f"http://127.0.0.1:{server.server_address[1]}/")
        WebDriverWait(driver, 240).until(lambda page: page.execute_script("return window.ready === true"))
        yield Judge(driver)
    finally:
        driver.quit()
        server.shutdown()
        server.server_close()
        thread.join()
