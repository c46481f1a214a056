"""The linker of cameras that other processes watch: takes what they have seen, and says what of it is safe."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.capture.wall import WallClock
from app.config import Config
from app.errors import InputError
from app.events import Event, EventHub, from_association, from_reappearance
from app.files import prepare_folder
from app.gallery.growing import Key, last_tracks
from app.live.expiring import Expiry
from app.live.linker import Linker, Outcome
from app.live.opening import camera_row, open_gallery, open_spool
from trackers import Tracklet

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Seconds between two looks at what is over."""


@dataclass(frozen=True, eq=False)
class Parcel:
    """What a worker has seen since it last told.

    Attributes:
        growing: Camera and tracklet of each that goes on.
        ended: The same of each that has ended.
        withdrawn: Camera and number of those that turned out to be another's.
        events: What happened.
    """

    growing: list[tuple[str, Tracklet]]
    ended: list[tuple[str, Tracklet]]
    withdrawn: list[Key]
    events: list[Event]


class Linking:
    """A linker with its gallery, its file for what waits, and the events it has to tell; any thread may call it.

    Args:
        config: Everything that is configured.
        model_id: Of the vectors that come.

    Raises:
        InputError: If the gallery cannot be used.
    """

    def __init__(self, config: Config, model_id: str) -> None:
        self._lock, self._closing = threading.Lock(), ExitStack()
        self._gathering, self._gathered, self._written = threading.Lock(), 0, 0
        folder = Path(config.live.folder)
        prepare_folder(folder)
        try:
            self.gallery = self._closing.enter_context(open_gallery(folder, model_id, config))
            for camera in config.cameras:
                self.gallery.add_camera(camera_row(camera))
            self._hub = EventHub(config.events, folder, retention_days=config.gallery.retention_days)
            self._closing.callback(self._hub.close)
            spool = open_spool(folder, config)
            self._closing.callback(spool.close)
            self.linker = Linker(self.gallery, config, self._tell, WallClock(time.monotonic, time.time).now, spool)
            self._over = threading.Event()
            keeper = threading.Thread(target=self._keep, args=(Expiry(config, folder, self.gallery, spool),))
            keeper.start()
            self._closing.callback(keeper.join)
            self._closing.callback(self._over.set)
        except BaseException:
            self._closing.close()
            raise

    def take(self, parcel: Parcel) -> list[Key]:
        """Takes in what was seen; gives the ended tracklets that are in the gallery, or on disk until they are.

        Parcels that come while another is being written are written together, by the first whose turn it is.
        """
        with self._gathering:
            for event in parcel.events:
                self._hub.publish(event)
            for camera, number in parcel.withdrawn:
                self.linker.withdraw(camera, number)
            for camera, tracklet in parcel.growing:
                self.linker.offer(camera, [tracklet], finished=False)
            for camera, tracklet in parcel.ended:
                self.linker.offer(camera, [tracklet], finished=True)
            self._gathered += 1
            mine = self._gathered
        with self._lock:
            if self._written < mine:
                self._step()
            unsafe = self.linker.in_memory()
            ended = [(camera, int(tracklet.track_id)) for camera, tracklet in parcel.ended]
            return [key for key in ended if key not in unsafe]

    def last_tracks(self) -> dict[str, int]:
        """The highest track number of each camera that was ever taken: the next one's numbers go on from it.

        Raises:
            InputError: If the gallery cannot be read.
        """
        with self._lock:
            numbers = last_tracks(self.gallery)
            for camera, track in self.linker.unwritten():
                numbers[camera] = max(numbers.get(camera, 0), track)
        return numbers

    def step(self) -> None:
        """Decides what can be decided by now."""
        with self._lock:
            self._step()

    def close(self) -> None:
        """Decides everything that waits, and closes everything."""
        with self._lock, self._closing:
            self.linker.flush()

    def _step(self) -> None:
        gathered = self._gathered
        self.linker.step()
        self._written = gathered

    def _tell(self, outcome: Outcome) -> None:
        for decision in outcome.decisions:
            self._hub.publish(from_association(decision))
        for seen in outcome.reappearances:
            self._hub.publish(from_reappearance(seen))

    def _keep(self, expiry: Expiry) -> None:
        """Takes out what is over; whatever goes wrong, there is a next time."""
        while not self._over.wait(LOOK_SECONDS):
            try:
                expiry.look()
            except InputError as error:
                if not self.linker.failures:  # else the linker has said it
                    log.error("%s", error)
            except Exception:
                log.exception("taking out what is over failed")
