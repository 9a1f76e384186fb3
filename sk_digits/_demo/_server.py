"""The server of the page: `serve`."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sk_digits._demo._page import MAX_BYTES, import_gradio

if TYPE_CHECKING:
    import gradio

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# The page may ask its own server only. Gradio's page has scripts and styles of its own inline, and
# makes functions of text.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; "
    "form-action 'self'; base-uri 'self'; object-src 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif")
# The tabs stand above what they switch, and the page's own cards need no second frame.
_CSS = """
.gradio-container > .main { max-width: 1072px !important; margin: 0 auto;
  padding: 12px 16px !important; }
.gradio-container .wrap, .gradio-container .column { gap: 8px !important; padding: 0 !important; }
.gradio-container .html-container { padding: 0 !important; }
.tabitem, .tabs { border: none !important; padding: 0 !important; background: none !important; }
.tabitem { padding-top: 14px !important; }
.tab-container button { min-height: 44px; font-size: 16px; }
@media (max-width: 480px) {
  .gradio-container > .main { padding: 10px 10px 16px !important; }
}
"""
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def serve(
    demo: gradio.Blocks, *, host: str, port: int, ready: Callable[[str], None] | None = None
) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    demo : gradio.Blocks
        What :func:`make_demo` made.
    host : str
        Address to listen on. Where it is this machine's own, requests by other names are refused,
        so that no web page can reach the server by a name that it makes point here.
    port : int
        Port to listen on; 0 takes a free one.
    ready : callable, default=None
        Called with the page's address when it can be visited.

    Raises
    ------
    OSError
        If the address cannot be listened on.
    KeyboardInterrupt
        On Ctrl-C, when the server has stopped.
    """
    listener = _listen(host, port)
    gr = import_gradio()
    import uvicorn
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    # Not `demo.launch`: that asks its own address through the proxy of the environment, listens
    # first and complains later, and stops with two lines of its own.
    gr.mount_gradio_app(
        app,
        demo,
        path="",
        app_kwargs={"openapi_url": None},
        allowed_paths=[],
        max_file_size=MAX_BYTES,
        show_error=False,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        css=_CSS,
        theme=gr.themes.Base(
            primary_hue="blue", neutral_hue="slate", radius_size="lg", font=FONT, font_mono=MONO
        ),
    )
    app.add_middleware(_SecurityHeaders)
    if host in LOOPBACK:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, "[::1]"])
    # Pages keep a connection open to notice that the server has gone: do not wait for them.
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, lifespan="on")
    if ready is not None:
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listener.getsockname()[1]}")
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Open the port, or say who has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise OSError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. "
            "Give another one with --port, or 0 for any that is free."
        ) from error
    return listener


class _SecurityHeaders:
    """Add headers to each answer. Not a middleware function: those hold up streams."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers)
