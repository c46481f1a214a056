"""/metrics, /healthz and /readyz of a live run, by a small web server of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST

from app.errors import InputError

Verdict = tuple[bool, str]
"""Whether all is well, and one line of why not."""


class HealthServer:
    """Answers whoever watches over the run; nothing here can change it.

    Args:
        host: Address to listen on.
        port: Port; 0: any that is free.
        metrics: Gives the figures.
        alive: Whether the run goes on; where it does not, it is to be started anew.
        ready: Whether it does what it is for.

    Raises:
        InputError: If the port cannot be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Callable[[], bytes],
        alive: Callable[[], Verdict],
        ready: Callable[[], Verdict],
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # of whoever connects and says nothing

            def do_GET(self) -> None:
                """Answers a question."""
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, metrics(), CONTENT_TYPE_LATEST)
                elif path in ("/healthz", "/readyz"):
                    well, why = alive() if path == "/healthz" else ready()
                    self._answer(200 if well else 503, f"{'ok' if well else why}\n".encode(), "text/plain")
                else:
                    self._answer(404, b"/metrics, /healthz, /readyz\n", "text/plain")

            def _answer(self, code: int, body: bytes, kind: str) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Says nothing: it is asked every few seconds."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        try:
            self._server = Server((host, port), Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(
                f"{host}:{port}: metrics cannot be served there ({why}); give another events.metrics_port, or null"
            ) from None
        self.port = int(self._server.server_port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
