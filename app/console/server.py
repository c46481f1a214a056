"""Serving the console until it is stopped."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from app.cluster.starting import join_shards
from app.config import Config
from app.config_console import ConsoleConfig
from app.console.accounts import first_admin, named_user, reset_password
from app.console.application import make_app
from app.console.finder import Finder
from app.console.recorded import RecordedWall
from app.console.state import Console
from app.embedding import load_embedder
from app.errors import InputError
from app.gallery import Gallery
from app.gallery.store import gallery_file

GRACE_SECONDS = 3
"""Time for answers under way when the console is stopped; pages that watch are cut off then."""


def serve_gallery(path: Path | str, config: Config, new_password: str | None, say: Callable[[str], None]) -> None:
    """Serves the console over a recorded folder until it is stopped.

    Args:
        path: gallery.db, the folder that holds it, or the address of a gallery on a server.
        config: Settings.
        new_password: Name of a user who is to get a one-time password; None for nobody.
        say: Told a line for the one who started it.

    Raises:
        InputError: If the gallery, the weights, the certificate or the port cannot be used.
    """
    check_certificate(config.console)
    embedder = load_embedder(config.embedder)
    with Gallery.open(gallery_file(path), model_id=embedder.model_id, config=config.gallery) as gallery:
        wall = RecordedWall(gallery)
        wall.cameras()  # opens the recordings now, not while the first page waits
        finder = Finder(gallery, config, wall, embedder, shards=join_shards(gallery, config))
        console = Console(gallery, config, wall, finder)
        serve(console, new_password, say)


def serve(console: Console, new_password: str | None, say: Callable[[str], None]) -> None:
    """Serves a console until it is stopped; the first time, makes an admin with a one-time password and says it.

    Raises:
        InputError: If the port cannot be used, or there is no such user.
    """
    settings = console.config.console
    with listen(settings) as bound:
        hand_out(console.gallery, new_password, say)
        say(f"console at {address_of(settings, bound)}; Ctrl-C stops it")
        with suppress(KeyboardInterrupt):
            make_server(console).run(sockets=[bound])


def make_server(console: Console, over: Callable[[], bool] = lambda: False) -> uvicorn.Server:
    """A server that is not started yet: run it in any thread, with a socket of `listen`.

    Args:
        console: What it serves.
        over: Whether it is to end; asked some times a second.
    """
    settings = console.config.console
    config = uvicorn.Config(
        make_app(console),
        log_level="warning",
        log_config=None,
        proxy_headers=settings.behind_proxy,
        server_header=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        timeout_graceful_shutdown=GRACE_SECONDS,
        # Pictures are compressed already.
        ws_per_message_deflate=False,
    )
    return _Server(console, config, over)


class _Server(uvicorn.Server):
    """Ends when it is over, and streams before it waits for them."""

    def __init__(self, console: Console, config: uvicorn.Config, over: Callable[[], bool]) -> None:
        super().__init__(config)
        self._console, self._over = console, over

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._over()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._console.feed.close()
        await super().shutdown(sockets)


def address_of(settings: ConsoleConfig, bound: socket.socket) -> str:
    """Where a browser finds the console."""
    scheme = "http" if settings.certificate is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{bound.getsockname()[1]}"


def listen(settings: ConsoleConfig) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        InputError: If that cannot be.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"console: cannot listen on {settings.host} port {settings.port} ({why}); give another --host or --port"
        ) from None


def check_certificate(settings: ConsoleConfig) -> None:
    """Sees that certificate and key can be used, where there are any.

    Raises:
        InputError: If they cannot.
    """
    if settings.certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.certificate, settings.key)
    except OSError as error:  # ssl's own errors among them
        raise InputError(
            f"console.certificate {settings.certificate}: cannot be used with console.key ({error.strerror or error}); "
            "give a PEM certificate chain and its key"
        ) from None


def hand_out(gallery: Gallery, new_password: str | None, say: Callable[[str], None]) -> None:
    """Makes the first admin where there is no user yet, and a one-time password for who forgot theirs; says both.

    Raises:
        InputError: If there is no such user.
    """
    password = first_admin(gallery)
    if password is not None:
        say(f"first start: log in as admin with the one-time password {password}")
    if new_password is not None:
        user = named_user(gallery, new_password)
        say(f"log in as {user.name} with the one-time password {reset_password(gallery, user.id, who=None)}")
