"""A real Chromium and what a person at it can do: look, press keys, lose the network, ask axe."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

ROOT = Path(__file__).resolve().parents[2]
DRIVER, CHROMIUM = "/usr/bin/chromedriver", "/usr/bin/chromium"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "RGAAv4", "best-practice"]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--lang=fr",
)
WHOLE = "document.readyState === 'complete'"


class Chromium:
    """One browser with one tab."""

    def __init__(self, profile: Path, javascript: bool = True) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in FLAGS:
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={profile}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        if not javascript:
            options.add_experimental_option(
                "prefs", {"profile.managed_default_content_settings.javascript": 2}
            )
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(120)
        self.driver.set_script_timeout(120)
        self.size(1000, 900)

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(WebDriverException):
            self.driver.quit()

    def reset(self) -> None:
        """Be a new person at an ordinary screen: no cookie, light, online."""
        self.offline(False)
        self.driver.get("about:blank")
        self.command("Network.clearBrowserCookies")
        self.size(1000, 900)
        self.media()
        self.driver.get_log("browser")

    def command(self, name: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def size(self, width: int, height: int = 800) -> None:
        """Give the page `width` CSS pixels, and wait until it has them; below 500 it is a telephone."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        screen = "return Math.round(visualViewport.width * visualViewport.scale) === arguments[0]"
        self.until(lambda: self.script(screen, width), f"a page of {width} pixels")

    def media(self, **features: str) -> None:
        """Set media features: ``prefers_color_scheme="dark"``."""
        features = {"prefers_color_scheme": "light"} | features
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.command("Emulation.setEmulatedMedia", features=told)

    def offline(self, lost: bool) -> None:
        """Lose the network, or find it again."""
        self.command("Network.enable")
        self.command(
            "Network.emulateNetworkConditions",
            offline=lost,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    @contextlib.contextmanager
    def prepared(self, source: str) -> Iterator[None]:
        """Run JavaScript in every page that comes in this block, before the page's own."""
        added = self.command("Page.addScriptToEvaluateOnNewDocument", source=source)
        try:
            yield
        finally:
            self.command("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])

    def hears_of_the_network(self) -> None:
        """Tell the page that there is a network, so that it tries again now and not in some seconds."""
        with contextlib.suppress(WebDriverException):  # it may just leave by itself
            self.script("dispatchEvent(new Event('online'))")

    def open(self, address: str) -> None:
        """Go to an address."""
        self.driver.get(address)

    @property
    def title(self) -> str:
        """Of the page."""
        return self.driver.title

    @property
    def text(self) -> str:
        """Everything that the page says."""
        return self.one("body").text

    @property
    def path(self) -> str:
        """Of the address."""
        return "/" + self.driver.current_url.split("/", 3)[3]

    def one(self, selector: str) -> WebElement:
        """The one element that a CSS selector names."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[WebElement]:
        """Every element that a CSS selector names."""
        return self.driver.find_elements("css selector", selector)

    def script(self, source: str, *arguments: Any) -> Any:
        """Run JavaScript in the page."""
        return self.driver.execute_script(source, *arguments)

    @property
    def ready(self) -> bool:
        """Whether the page is there whole. Ask it last: what was asked before it may be of half a page."""
        return bool(self.script(f"return {WHOLE}"))

    def until(self, met: Callable[[], Any], what: str, seconds: float = 100.0) -> Any:
        """Wait until `met`, also while pages change."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(WebDriverException):
                if found := met():
                    return found
            if time.monotonic() > end:
                page = f"{self.driver.current_url}: {self.driver.page_source[:2000]}"
                raise AssertionError(f"waited {seconds} s for {what}; the page is {page}")
            time.sleep(0.03)

    @contextlib.contextmanager
    def next_page(self) -> Iterator[None]:
        """What stands in this block leads to another page; wait until it is there."""
        self.script("window.before = true")
        yield
        self.until(lambda: self.script(f"return !window.before && {WHOLE}"), "the next page")

    def arrives_at(self, title: str) -> None:
        """Wait for the whole of a page whose title begins so, which comes by itself."""
        self.until(lambda: self.title.startswith(title) and self.ready, f"a page called '{title}...'")

    def focuses(self, selector: str) -> None:
        """Wait until the element that a CSS selector names has the keyboard: autofocus comes with a frame."""
        has = "return document.activeElement.matches(arguments[0])"
        self.until(lambda: self.script(has, selector), f"{selector} to have the keyboard")

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        for key in keys:
            webdriver.ActionChains(self.driver, duration=0).send_keys(key).perform()

    def complaints(self) -> list[str]:
        """What the browser's console complained of: blocked scripts and styles, failed requests."""
        return [
            line["message"]
            for line in self.driver.get_log("browser")
            if line["level"] == "SEVERE" and "status of 4" not in line["message"]
        ]

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page, by rule and place."""
        if not self.script("return 'axe' in window"):
            self.script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}, resultTypes: ['violations']})"
            ".then((r) => done(JSON.stringify([r.violations, r.passes.length])),"
            " (e) => done(JSON.stringify([[{id: String(e), nodes: []}], 0])));",
            RULES,
        )
        violations, passed = json.loads(found)
        assert passed > 10, "axe has not run"
        return [
            f"{rule['id']}: {node['target']} {node.get('failureSummary', '')}"
            for rule in violations
            for node in (rule["nodes"] or [{"target": "?"}])
        ]

    def too_wide(self) -> int:
        """By how many pixels the page is wider than the screen (what scrolls inside itself not counted)."""
        return int(
            self.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )

    def sheets(self) -> int:
        """How many sheets of paper the page takes when it is printed."""
        printed = self.command("Page.printToPDF", preferCSSPageSize=True)
        return len(re.findall(rb"/Type\s*/Page\b(?!s)", base64.b64decode(printed["data"])))

    def picture(self, path: Path, scale: float = 1.25) -> None:
        """Save the whole page as PNG, `scale` pixels a CSS pixel."""
        size = self.script(
            "const page = document.documentElement;"
            "return [page.clientWidth, Math.max(page.scrollHeight, innerHeight)];"
        )
        shot = self.command(
            "Page.captureScreenshot",
            captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": scale},
        )
        path.write_bytes(base64.b64decode(shot["data"]))
