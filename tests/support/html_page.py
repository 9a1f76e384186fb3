"""The page that `to_html` saves, in a real browser: what its worker answers."""

import base64
from typing import Any

import numpy as np
from selenium import webdriver

# Reads grey pictures one after another, as the page does, and returns what matters of the answers.
READ = """
const [content, height, width, many, isDrawing, done] = arguments;
const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
(async () => {
  await skDigits.ready;
  const answers = [];
  for (let start = 0; start < bytes.length; start += height * width) {
    const pixels = bytes.slice(start, start + height * width);
    const answer = await skDigits.post("read", { pixels, width, height, many, isDrawing });
    const digits = answer.digits ?? [];
    answers.push({
      error: answer.error ?? null,
      digits: digits.map((digit) => ({ ...digit, image: [...digit.image] })),
    });
  }
  return answers;
})().then(done);
"""


def read_pictures(
    browser: webdriver.Chrome, pictures: np.ndarray, *, many: bool = False, is_drawing: bool = False
) -> list[dict[str, Any]]:
    """Return what the open page answers to grey pictures of shape (n, height, width)."""
    content = base64.b64encode(np.ascontiguousarray(pictures, np.uint8).tobytes()).decode()
    return browser.execute_async_script(READ, content, *pictures.shape[1:], many, is_drawing)


def labels_and_probabilities(
    browser: webdriver.Chrome, pictures: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of the label and the probabilities for 28x28 images, as many as there are.

    A picture in which the page finds no single digit has the label -1.
    """
    labels, rows = [], []
    for start in range(0, len(pictures), 200):
        for answer in read_pictures(browser, pictures[start : start + 200]):
            digits = answer["digits"]
            labels.append(digits[0]["best"] if digits else -1)
            rows.append(digits[0]["probabilities"] if digits else None)
    n_classes = next(len(row) for row in rows if row is not None)
    filled = [np.full(n_classes, np.nan) if row is None else row for row in rows]
    return np.array(labels), np.array(filled)
