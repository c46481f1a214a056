"""The wall over live cameras: the newest picture of each, made once for all who watch."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from app.capture import CameraState
from app.console.wall import CameraView, Image, Shown, ShownBox, encode, pack, sent_width
from app.errors import InputError
from app.live.lane import Shown as Seen

KEPT_SECONDS = 10.0
"""Seconds for which a picture that was given to somebody can still be searched in."""

KEPT_BYTES = 256 * 2**20
"""Most memory for those pictures, of all cameras together; the oldest goes first."""

WAIT_SECONDS = 1.0
"""Seconds that `show` waits for a newer picture."""

STATE_SECONDS = 1.0
"""Age of what is known about the cameras from which they are asked again, while pictures are sent."""

ENCODERS = 1
"""Threads that make pictures: the cameras' frames are analysed on the other processors."""

NICE = 10
"""How far those threads stand back."""

Key = tuple[str, int]
"""Camera and track number."""


def stand_back() -> None:
    """Leaves the processors to the other threads where those want them; where threads have no priority, nothing."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


@dataclass(eq=False)
class Picture:
    """A frame that may be shown.

    Attributes:
        seen: The frame and the people in it.
        made: What is sent of it, by width: the picture and the whole message.
    """

    seen: Seen
    made: dict[int, Future[tuple[Shown, bytes]]] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """Number of the frame."""
        return self.seen.frame.index


class LiveWall:
    """The cameras of a live run. `put` is called by its loop and never waits for anybody who watches.

    Args:
        states: How each camera is doing.
        identity_of: The number of a tracklet's identity, by camera and track.

    Attributes:
        interval: Least seconds between two pictures of a camera.
        encoding_seconds: Processor time that went into making pictures so far.
    """

    recorded = False

    def __init__(self, states: Callable[[], Sequence[CameraState]], identity_of: Callable[[Key], int | None]) -> None:
        self.interval = 0.0
        self.encoding_seconds = 0.0
        self._ask, self._identity_of = states, identity_of
        self._changed = threading.Condition()
        self._states: dict[str, CameraState] = {}
        self._looked = -STATE_SECONDS
        self._newest: dict[str, Picture] = {}
        self._given: OrderedDict[Key, tuple[float, Picture]] = OrderedDict()
        self._bytes = 0
        self._listeners: list[Callable[[], None]] = []
        self._pool = ThreadPoolExecutor(ENCODERS, thread_name_prefix="pictures", initializer=stand_back)

    # From the loop of the run

    def put(self, camera: str, seen: Seen) -> None:
        """Takes a frame that was analysed; it is shown, unless the one before is too new."""
        with self._changed:
            before = self._newest.get(camera)
            if before is not None and 0 <= seen.frame.time - before.seen.frame.time < self.interval:
                return
            self._newest[camera] = Picture(seen)
            self._expire()
            self._changed.notify_all()
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls a listener, which must not wait, at each new picture; what is returned ends that."""
        with self._changed:
            self._listeners.append(listener)

        def leave() -> None:
            with self._changed:
                self._listeners.remove(listener)

        return leave

    def close(self) -> None:
        """Makes no more pictures."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # For those who watch

    def cameras(self) -> list[CameraView]:
        """All cameras that are watched, in the order of the configuration, as they are now."""
        self._look(0.0)
        return [self._view(state) for state in list(self._states.values())]

    def newest(self, camera: str) -> int | None:
        """Number of the newest picture's frame; None before the first.

        Raises:
            InputError: If there is no such camera.
        """
        self._check(camera)
        picture = self._newest.get(camera)
        return None if picture is None else picture.index

    def show(self, camera: str, time: float | None, width: int, after: int = -1) -> Shown | None:
        """The newest picture of a camera, whatever the time; waits for one where the viewer has this one."""
        self._check(camera)
        with self._changed:
            if after >= 0:
                self._changed.wait_for(lambda: self._has_other(camera, after), WAIT_SECONDS)
            picture = self._newest.get(camera)
        if picture is None or picture.index == after:
            return None
        return self._made(picture, width).result()[0]

    def message(self, camera: str, width: int) -> Future[tuple[Shown, bytes]] | None:
        """The newest picture of a camera and the message that holds it, once they are made; None before the first.

        Who asks for what somebody else has asked for gets the same.

        Raises:
            InputError: If there is no such camera.
        """
        self._check(camera)
        picture = self._newest.get(camera)
        return None if picture is None else self._made(picture, width)

    def frame(self, camera: str, index: int) -> Image:
        """A frame that was shown some seconds ago at most, in full."""
        return self._find(camera, index).seen.frame.image

    def time(self, camera: str, index: int) -> float:
        """When it was taken, seconds since the epoch."""
        return self._find(camera, index).seen.frame.time

    def boxes(self, camera: str, index: int) -> tuple[ShownBox, ...]:
        """Who is in it, as is known by now."""
        return self._boxes(self._find(camera, index).seen)

    # Cameras

    def _view(self, state: CameraState) -> CameraView:
        picture = self._newest.get(state.name)
        last = None if picture is None else picture.seen.frame.time
        return CameraView(state.name, state.state, state.width, state.height, None, last, state.reason)

    def _look(self, age: float) -> None:
        """Asks how the cameras are, unless that is known; of those that are watched no longer nothing is kept."""
        if time.monotonic() - self._looked < age:
            return
        states = {state.name: state for state in self._ask()}
        with self._changed:
            self._states, self._looked = states, time.monotonic()
            for name in self._newest.keys() - states.keys():
                del self._newest[name]
            for key in [key for key in self._given if key[0] not in states]:
                self._forget(key)

    def _check(self, camera: str) -> None:
        self._look(STATE_SECONDS)
        if camera not in self._states:
            self._look(0.0)
        if camera not in self._states:
            names = ", ".join(self._states) or "none"
            raise InputError(f"camera {camera!r}: is not watched; those that are: {names}")

    def _has_other(self, camera: str, index: int) -> bool:
        picture = self._newest.get(camera)
        return picture is not None and picture.index != index

    # Pictures

    def _made(self, picture: Picture, width: int) -> Future[tuple[Shown, bytes]]:
        wanted = sent_width(width, picture.seen.frame.image.shape[1])
        with self._changed:
            future = picture.made.get(wanted)
            if future is None:
                self._keep(picture)
                future = picture.made[wanted] = self._pool.submit(partial(self._make, picture.seen, wanted))
        return future

    def _make(self, seen: Seen, width: int) -> tuple[Shown, bytes]:
        begun = time.thread_time()
        frame = seen.frame
        height, full = frame.image.shape[:2]
        jpeg = encode(frame.image, width)
        shown = Shown(frame.camera, frame.index, frame.time, full, height, self._boxes(seen), jpeg)
        message = pack(shown)
        self.encoding_seconds += time.thread_time() - begun
        return shown, message

    def _boxes(self, seen: Seen) -> tuple[ShownBox, ...]:
        camera = seen.frame.camera
        corners = seen.boxes.astype(float)
        corners[:, 2:] -= corners[:, :2]
        return tuple(
            ShownBox((left, top, width, height), track, self._identity_of((camera, track)))
            for (left, top, width, height), track in zip(corners.round(1).tolist(), seen.tracks.tolist(), strict=True)
        )

    def _find(self, camera: str, index: int) -> Picture:
        self._check(camera)
        with self._changed:
            _, found = self._given.get((camera, index), (0.0, self._newest.get(camera)))
        if found is None or found.index != index:
            raise InputError(f"frame {index}: of camera {camera} is not at hand any more; point at a newer picture")
        return found

    # What was given to somebody

    def _keep(self, picture: Picture) -> None:
        """Keeps a picture that is about to be given to somebody, for some seconds and within some memory."""
        key = picture.seen.frame.camera, picture.index
        if key not in self._given:
            self._given[key] = time.monotonic(), picture
            self._bytes += picture.seen.frame.image.nbytes
            self._expire()

    def _expire(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        while self._given:
            key, (given, _) = next(iter(self._given.items()))
            if given >= oldest and self._bytes <= KEPT_BYTES:
                return
            self._forget(key)

    def _forget(self, key: Key) -> None:
        _, picture = self._given.pop(key)
        self._bytes -= picture.seen.frame.image.nbytes
