"""The page of ``sk-digits demo``, with its own small server.

Read `server` first, which serves the page (`page`, whose sources are in ``html``) and passes
pictures on to `picture_reader`, a process that reads them as `answers` says.
"""

from sk_digits._demo.server import LOOPBACK, serve

__all__ = ["LOOPBACK", "serve"]
