"""A live run from its beginning to its end: everything made, started, watched over, and ended in order."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import torch

from app.addresses import resolve
from app.capture import Capture
from app.capture.wall import WallClock
from app.config import Config
from app.detector import Detector
from app.devices import processors
from app.embedding import EMBEDDED, load_embedder
from app.errors import InputError
from app.events import EventHub, new_event
from app.files import prepare_folder
from app.gallery.growing import last_tracks
from app.gallery.queries import Filter, sighting_count
from app.health import HealthServer, Verdict
from app.live.expiring import Expiry
from app.live.linker import Linker
from app.live.opening import camera_row, open_gallery, open_spool
from app.live.runtime import Runtime
from app.live.telling import Teller
from app.metrics import Metrics
from app.pipeline import Stopwatch
from reid_model.embedder import Embedder

log = logging.getLogger(__name__)

LINK_SECONDS = 0.5
"""Seconds between two steps of the linker."""

LOOK_SECONDS = 1.0
"""Seconds between two looks at figures and at what was asked of the run."""

COUNT_SECONDS = 30.0
"""Seconds between two counts of the gallery."""

HUNG_SECONDS = 20.0
"""Seconds without a turn of the loop after which the run is no longer taken for alive."""


class Session:
    """A live run: cameras, loop, linker, events, figures. `run` ends in order when it is told to stop.

    Args:
        config: Everything that is configured.
        read: Reads the configuration again, when that is asked for.

    Raises:
        InputError: If weights, addresses, the gallery or a port cannot be used.
    """

    def __init__(self, config: Config, read: Callable[[], Config]) -> None:
        self.config, self._read = config, read
        self._reload, self._stopped, self._over = threading.Event(), threading.Event(), threading.Event()
        check_cameras(config)
        self.folder = Path(config.live.folder)
        prepare_folder(self.folder)
        embedder = load_embedder(config.for_live().embedder, threads=processors())
        embedder.prepare(EMBEDDED)
        detector = Detector(config.detector)
        self._closing = ExitStack()
        try:
            self._build(detector, embedder)
        except BaseException:
            self._closing.close()
            raise

    def _build(self, detector: Detector, embedder: Embedder) -> None:
        config, closing = self.config, self._closing
        self.gallery = closing.enter_context(open_gallery(self.folder, embedder.model_id, config))
        for camera in config.cameras:
            self.gallery.add_camera(camera_row(camera))
        self.metrics = Metrics()
        self.hub = EventHub(config.events, self.folder, retention_days=config.gallery.retention_days)
        closing.callback(self.hub.close)
        self._wall = wall = WallClock(time.monotonic, time.time)
        self.teller = Teller(self.hub, self.metrics, wall.now)
        spool = open_spool(self.folder, config)
        closing.callback(spool.close)
        self._expiry = Expiry(config, self.folder, self.gallery, spool)
        self.linker = self.teller.linker = Linker(self.gallery, config, self.teller.linked, wall.now, spool)
        self.health: HealthServer | None = None
        if config.events.metrics_port is not None:
            place = config.events.metrics_host, config.events.metrics_port
            self.health = HealthServer(*place, self.metrics.text, self.alive, self.ready)
            closing.callback(self.health.close)
        self.capture = Capture(config.live, notice=self.teller.noticed, wall=wall)
        closing.callback(self.capture.close)
        numbers = {name: last + 1 for name, last in last_tracks(self.gallery).items()}
        watch = Stopwatch(self.metrics.stage)
        clock, live = time.monotonic, config.for_live()
        self.runtime = Runtime(self.capture, detector, embedder, live, self.teller, clock, numbers, watch)
        for camera in config.cameras:
            self.runtime.add(camera)

    # While it runs

    def run(self) -> None:
        """Watches the cameras until told to stop, then ends in order: tracks, identities, events, files."""
        helpers = [
            threading.Thread(target=self._link, name="linker", daemon=True),
            threading.Thread(target=self._keep, name="keeper", daemon=True),
        ]
        self.teller.publish(new_event("system.started", self._wall.now(), details={"cameras": self._names()}))
        with self._closing:
            for helper in helpers:
                helper.start()
            try:
                self.runtime.run(self._stopped)
            finally:
                self._over.set()
                for helper in helpers:
                    helper.join()
                self.linker.flush()
                self.teller.publish(new_event("system.stopped", self._wall.now()))

    def stop(self) -> None:
        """Asks the run to end."""
        self._stopped.set()

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to end."""
        return self._stopped.is_set()

    def close(self) -> None:
        """Lets go of everything; for a session that is not run."""
        self._closing.close()

    def reload(self) -> None:
        """Asks for the configuration to be read again: cameras come, go and change; the rest waits for a new start."""
        self._reload.set()

    def _names(self) -> list[str]:
        return [camera.name for camera in self.config.cameras]

    def _link(self) -> None:
        torch.set_num_threads(1)  # of this thread: the processors are the loop's
        while not self._over.wait(LINK_SECONDS):
            try:
                begun = time.monotonic()
                self.linker.step()
                self.metrics.stage("associate", time.monotonic() - begun)
            except Exception:
                # Whatever it is, tracking goes on, and the next step may do better.
                log.exception("linking: a step failed")

    def _keep(self) -> None:
        counted = -COUNT_SECONDS
        sightings = 0
        while not self._over.wait(LOOK_SECONDS):
            try:
                if self._reload.is_set():
                    self._reload.clear()
                    self._take_over()
                self.metrics.cameras(self.capture.states())
                self.metrics.receivers(self.hub.states())
                self.metrics.people(self.linker.people)
                self.metrics.gallery(sightings, self.linker.pending, self.linker.failures > 0)
                # What needs the gallery comes last: the figures are told also while it is away.
                now = time.monotonic()
                self._expiry.look()
                if now - counted >= COUNT_SECONDS:
                    with self.gallery.reading() as connection:
                        sightings = sighting_count(connection, Filter(self.gallery.now()))
                    counted = now
            except InputError as error:
                # The linker has said that the gallery is away, and says when it is back.
                if not self.linker.failures:
                    log.error("%s", error)
            except Exception:
                log.exception("looking after the run failed")

    def _take_over(self) -> None:
        """Takes over the cameras of the configuration as it is now."""
        try:
            new = self._read()
            check_cameras(new)
        except InputError as error:
            log.error("the configuration was not taken over: %s", error)
            return
        before = {camera.name: camera for camera in self.config.cameras}
        after = {camera.name: camera for camera in new.cameras}
        for name in before.keys() - after.keys():
            self.runtime.remove(name)
            log.info("camera %s: watched no longer", name)
        for name, camera in after.items():
            if before.get(name) != camera:
                self.gallery.add_camera(camera_row(camera))
                self.runtime.add(camera)
                log.info(
                    "camera %s: %s", name, "watched from now on" if name not in before else "taken over as changed"
                )
        if new.model_copy(update={"cameras": []}) != self.config.model_copy(update={"cameras": []}):
            log.warning("what was changed besides the cameras counts at the next start")
        self.config = self.config.model_copy(update={"cameras": new.cameras})

    # Whether it is well

    def alive(self) -> Verdict:
        """Whether the loop goes round."""
        still = time.monotonic() - self.runtime.turned
        return still < HUNG_SECONDS, f"the loop has not turned for {still:.0f} s"

    def ready(self) -> Verdict:
        """Whether a camera is seen and what is seen can be kept."""
        if self.linker.failures:
            return False, "the gallery cannot be written"
        states = self.capture.states()
        if not any(state.state == "live" for state in states):
            why = "; ".join(f"{state.name}: {state.reason or state.state}" for state in states)
            return False, f"no camera is live ({why or 'none is configured'})"
        return True, ""


def check_cameras(config: Config) -> None:
    """Sees that there are cameras, and that their addresses can be meant.

    Raises:
        InputError: If not.
    """
    if not config.cameras:
        raise InputError("cameras: none is configured; give each a name and a source, such as rtsp://host/path")
    for number, camera in enumerate(config.cameras):
        try:
            address = resolve(camera.source)
        except InputError as error:
            raise InputError(f"cameras.{number}.source: {error}") from None
        if address.kind == "file" and not Path(address.text).exists():
            raise InputError(f"cameras.{number}.source: {camera.source}: no such file; check the path")


def run_until_told(session: Session) -> None:
    """Runs a session; Ctrl-C or SIGTERM ends it in order (a second one at once), SIGHUP has the configuration read."""

    def end(number: int, frame: FrameType | None) -> None:
        if session.stopping:
            raise KeyboardInterrupt
        session.stop()

    handlers: Mapping[signal.Signals, Callable[[int, FrameType | None], None]] = {
        signal.SIGINT: end,
        signal.SIGTERM: end,
        signal.SIGHUP: lambda number, frame: session.reload(),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        session.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
