"""A fitted model as one page that reads digits in any browser, without a server: `to_html`.

Read `_to_html` first. `_network` turns a fitted model into numbers, and `_join` makes one file of
the sources in ``page``. There, index.html and page.js come first; worker.js reads the pictures.
"""

from sk_digits.html._to_html import to_html

__all__ = ["to_html"]
