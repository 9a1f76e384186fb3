"""The drawing page in a real browser: start it, draw on it, read what it says."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

# Strokes of digits as a hand draws them, in a square of side 1.
CURVES = {
    "0": [[(0.5, 0.13), (0.33, 0.3), (0.3, 0.65), (0.48, 0.87), (0.67, 0.7), (0.68, 0.3),
           (0.5, 0.13)]],
    "1": [[(0.52, 0.12), (0.5, 0.5), (0.48, 0.88)]],
    "2": [[(0.3, 0.3), (0.45, 0.14), (0.66, 0.22), (0.6, 0.5), (0.28, 0.85), (0.5, 0.83),
           (0.74, 0.85)]],
    "3": [[(0.3, 0.2), (0.5, 0.12), (0.68, 0.25), (0.6, 0.42), (0.45, 0.48)],
          [(0.45, 0.48), (0.65, 0.55), (0.7, 0.72), (0.5, 0.88), (0.28, 0.8)]],
    "4": [[(0.58, 0.12), (0.42, 0.36), (0.27, 0.6), (0.5, 0.6), (0.76, 0.59)],
          [(0.6, 0.36), (0.59, 0.62), (0.57, 0.88)]],
    "5": [[(0.36, 0.14), (0.34, 0.3), (0.32, 0.46), (0.5, 0.42), (0.67, 0.55), (0.63, 0.78),
           (0.46, 0.87), (0.29, 0.8)], [(0.36, 0.14), (0.52, 0.14), (0.7, 0.13)]],
    "6": [[(0.62, 0.13), (0.42, 0.3), (0.31, 0.6), (0.42, 0.86), (0.62, 0.82), (0.68, 0.64),
           (0.54, 0.52), (0.34, 0.62)]],
    "7": [[(0.27, 0.18), (0.5, 0.17), (0.72, 0.17)], [(0.72, 0.17), (0.58, 0.5), (0.45, 0.88)]],
    "8": [[(0.64, 0.22), (0.48, 0.12), (0.35, 0.25), (0.48, 0.44), (0.65, 0.64), (0.6, 0.84),
           (0.42, 0.86), (0.34, 0.7), (0.5, 0.48), (0.65, 0.32), (0.64, 0.22)]],
    "9": [[(0.66, 0.3), (0.55, 0.14), (0.36, 0.2), (0.34, 0.4), (0.5, 0.48), (0.65, 0.36),
           (0.66, 0.3)], [(0.66, 0.26), (0.64, 0.56), (0.58, 0.88)]],
}  # fmt: skip

# Of WCAG 2.2: (lighter + 0.05) / (darker + 0.05), in relative luminance.
CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
let ground = arguments[0];
while (ground && (parse(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) {
  ground = ground.parentElement;
}
const pair = [light(parse(getComputedStyle(arguments[0]).color)),
  light(parse(getComputedStyle(ground).backgroundColor))].sort();
return (pair[1] + 0.05) / (pair[0] + 0.05);
"""

CHROMIUM_OPTIONS = [
    "--headless=new",
    "--window-size=1280,900",
    "--hide-scrollbars",
    "--no-first-run",
    # In a container it runs as root, without a GPU and with little shared memory.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # It is to ask nothing of the network for itself.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
]


def strokes_of(digit: str, n_points: int = 8) -> list[np.ndarray]:
    """Return the smooth strokes of a digit."""
    strokes = []
    for curve in CURVES[digit]:
        points = np.array([curve[0], *curve, curve[-1]])
        t = np.linspace(0, 1, n_points, endpoint=False)[:, np.newaxis]
        parts = [
            # Catmull and Rom's curve through its points
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                   + (3 * b - a - 3 * c + d) * t**3)
            for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False)
        ]  # fmt: skip
        strokes.append(np.concatenate([*parts, points[-1:]]))
    return strokes


def photo(text: list[str], size: int = 240) -> Image.Image:
    """Make a photo of handwriting: blue ink on paper in uneven light, a little out of focus."""
    height, width = size * len(text), size * max(map(len, text))
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    paper = 215 - 35 * across - 20 * down + np.random.default_rng(0).normal(0, 3, across.shape)
    image = Image.fromarray(
        np.stack([paper, paper - 3, paper - 12], 2).clip(0, 255).astype("uint8")
    )
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(text):
        for j, digit in enumerate(line):
            for stroke in strokes_of(digit):
                points = [(size * (j + x), size * (i + y)) for x, y in stroke]
                draw.line(points, fill=(35, 45, 110), width=size // 16, joint="curve")
    return image.filter(ImageFilter.GaussianBlur(size / 200))


@contextmanager
def running_demo(
    model: Path, *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``sk-digits demo`` on a free port; return its address and process.

    `env` is added to the environment.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sk_digits",
            "demo",
            "--model",
            str(model),
            "--port",
            "0",
            "--no-browser",
        ],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | (env or {}),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        words = [word for word in line.split() if word.startswith("http://")]
        if not words:
            raise AssertionError(f"No page: {line} {process.stderr.read()}")
        yield words[0], process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def open_chromium(profile: Path) -> webdriver.Chrome:
    """Start Chromium, or say how to get it."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    programs = [path for path in map(shutil.which, names) if path]
    if not programs:
        raise RuntimeError(
            "The tests of the drawing page need Chromium or Chrome and its driver. On Debian and "
            "Ubuntu: apt-get install chromium chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # Without a driver on the PATH, selenium looks for one itself.
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


class Page:
    """What a visitor does on the page, and what they see."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser = browser
        browser.get_log("performance")  # and forget what came before
        browser.get(address)
        self.wait(lambda: self.pad)

    def wait(self, what: Callable[[], Any], seconds: float = 20) -> Any:
        """Wait until something is true."""
        end = time.monotonic() + seconds
        while not (value := what()):
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain; the page says: {self.text('body')}")
            time.sleep(0.03)
        return value

    @property
    def pad(self) -> WebElement | None:
        """The tab that is open."""
        pads = self.browser.find_elements(By.CSS_SELECTOR, ".pad")
        return next((pad for pad in pads if pad.is_displayed()), None)

    def find(self, selector: str) -> WebElement:
        """Find an element of the open tab."""
        if selector == "body":
            return self.browser.find_element(By.CSS_SELECTOR, selector)
        assert self.pad is not None
        return self.pad.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Read the text of an element, as far as it can be seen."""
        return self.find(selector).text

    def go_to_pages_of_digits(self) -> None:
        """Open the second tab."""
        tabs = self.browser.find_elements(By.CSS_SELECTOR, "[role=tab]")
        next(tab for tab in tabs if tab.text == "A page of digits").click()
        self.wait(lambda: self.pad and self.pad.get_attribute("data-many") == "yes")

    def draw(self, digit: str, left: float = 0, top: float = 0, size: float = 1) -> None:
        """Draw a digit with the mouse, at a place in units of the canvas's width."""
        box = self.find(".ink").rect
        for stroke in strokes_of(digit):
            points = (np.array([left, top]) + size * stroke) * box["width"]
            points = (points + [box["x"], box["y"]]).round().astype(int).tolist()
            actions = ActionChains(self.browser, duration=2)
            pointer = actions.w3c_actions.pointer_action
            pointer.move_to_location(*points[0])
            pointer.pointer_down()
            for point in points[1:]:
                pointer.move_to_location(*point)
            pointer.pointer_up()
            actions.perform()

    def upload(self, path: Path) -> None:
        """Choose a file."""
        self.find(".file").send_keys(str(path))

    def answer(self) -> str:
        """Wait for the answer about what was drawn last, and return its digit."""
        panel = self.find(".answer")
        self.wait(
            lambda: (
                panel.get_attribute("aria-busy") == "false"
                and panel.get_attribute("data-state") != "empty"
            )
        )
        return self.text(".digit")

    def lines(self) -> list[str]:
        """Wait for the digits of a page, line by line."""
        self.wait(lambda: self.find(".page").is_displayed())
        self.answer()
        lines = self.find(".lines").find_elements(By.CSS_SELECTOR, ".line")
        return ["".join(line.text.split()) for line in lines]

    def error(self) -> str:
        """Wait for a message that something is wrong."""
        self.wait(lambda: self.find(".error").is_displayed())
        return self.text(".error")

    def requested(self) -> set[str]:
        """Return the addresses that the browser has requested since the page was opened."""
        messages = [
            json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")
        ]
        return {
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        }
