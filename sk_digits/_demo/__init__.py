"""The drawing page of ``sk-digits demo``, with its own small server.

Read `server` first, which serves the page's files (`page`, index.html) and passes pictures on to
`picture_reader`, a process that reads them as `answers` says. In the browser, page.js comes first.
"""

from sk_digits._demo.server import LOOPBACK, serve

__all__ = ["LOOPBACK", "serve"]
