"""Live cameras and the console over them, in one process: the run goes on whatever the console does."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import uvicorn

from app.config import Config
from app.console.finder import Finder
from app.console.live_wall import LiveWall
from app.console.server import address_of, check_certificate, hand_out, listen, make_server
from app.console.state import Console
from app.embedding import load_embedder
from app.errors import InputError
from app.events import Event
from app.live.opening import open_gallery
from app.live.session import Session, check_cameras, run_until_told

log = logging.getLogger(__name__)

STEP_SECONDS = 2.0
"""Seconds between two times that the index is brought up to date, so that no search has to wait for that."""

INDEX_AGE = 5.0
"""Seconds after which a search does so itself: in a large gallery that keeps somebody waiting."""

TOLD_OTHERWISE = ("follow.reappeared",)
"""Events that pages hear of from the gallery, whoever writes it."""


def serve_live(
    config: Config, read: Callable[[], Config], new_password: str | None, say: Callable[[str], None]
) -> None:
    """Watches live cameras as `track` does, and serves the console over them, until told to stop.

    Args:
        config: Everything that is configured.
        read: Reads the configuration again, when that is asked for.
        new_password: Name of a user who is to get a one-time password; None for nobody.
        say: Told a line for the one who started it.

    Raises:
        InputError: If the cameras, the certificate, a port, weights or the gallery cannot be used, or there is no such
            user.
    """
    check_cameras(config)
    check_certificate(config.console)
    with listen(config.console) as bound, ExitStack() as closing:
        session = Session(config, read)
        closing.callback(session.close)
        console = closing.enter_context(console_over(session))
        hand_out(console.gallery, new_password, say)
        names = ", ".join(camera.name for camera in config.cameras)
        say(f"watching {names}; Ctrl-C ends it")
        say(f"gallery: {session.gallery.path}")
        if session.health is not None:
            say(f"figures: http://{config.events.metrics_host}:{session.health.port}/metrics")
        server = make_server(console, lambda: session.stopping)
        thread = threading.Thread(target=_run, args=(server, bound), name="console", daemon=True)
        thread.start()
        say(f"console at {address_of(config.console, bound)}; Ctrl-C stops it")
        try:
            run_until_told(session)
        finally:
            session.stop()
            thread.join()


def _run(server: uvicorn.Server, bound: socket.socket) -> None:
    try:
        server.run(sockets=[bound])
    except Exception:
        log.exception("the console has ended; the cameras are watched all the same")


@contextmanager
def console_over(session: Session) -> Iterator[Console]:
    """A console over a session that is about to run; it has its own connections to the gallery, and its own network.

    Raises:
        InputError: If the gallery or the weights cannot be used.
    """
    config = session.config
    embedder = load_embedder(config.embedder)
    with open_gallery(session.folder, embedder.model_id, config) as gallery, ExitStack() as closing:
        wall = LiveWall(session.capture.states, session.linker.identity_of)
        closing.callback(wall.close)
        finder = Finder(gallery, config, wall, embedder, age=INDEX_AGE)
        closing.enter_context(kept_in_step(finder))
        console = Console(gallery, config, wall, finder)
        session.teller.watcher = wall.put
        closing.callback(session.hub.subscribe(lambda event: tell(console, event)))
        yield console


@contextmanager
def kept_in_step(finder: Finder) -> Iterator[None]:
    """Keeps the index of a gallery that grows in step, in a thread of its own."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(STEP_SECONDS):
            try:
                finder.keep_in_step()
            except InputError as error:
                log.warning("the index: %s", error)
            except Exception:
                log.exception("the index was not brought up to date")

    thread = threading.Thread(target=keep, name="index", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def tell(console: Console, event: Event) -> None:
    """Tells all pages of an event of the run; waits for none of them."""
    if event.kind in TOLD_OTHERWISE:
        return
    about = {"camera": event.camera, "track": event.track, "identity": event.identity}
    known = {name: value for name, value in about.items() if value is not None}
    console.feed.publish(event.kind, event.time, {**event.details, **known})
