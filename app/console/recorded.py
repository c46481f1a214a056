"""The wall over recordings: they play in time with each other, from the files that were annotated."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import monotonic

import numpy as np
import numpy.typing as npt

from app.clips import Image, Recording, frames_between, open_recording, sought, upright
from app.console.wall import CameraView, Shown, ShownBox, encode, sent_width
from app.errors import InputError
from app.gallery import CameraRow, Gallery
from app.pointing import find_camera
from app.sources import VideoFile

AHEAD = 50
"""Frames up to which reading on is quicker than seeking."""

MOST_CURSORS = 6
"""Places of a recording that are read on from at once: so many groups of viewers play, each in its own time."""

MOST_FRAMES = 4
"""Whole frames kept of each camera: a search needs the one that its operator sees."""

KEPT_SECONDS = 2.0
"""Seconds for which a picture that was sent serves others who play in time. Who comes back to one later waits for its
frame when it is shown, and not when they click on somebody in it."""


class Player:
    """Frames of one recording by number; quick where they are asked for in order."""

    def __init__(self, row: CameraRow) -> None:
        self.row = row
        self._lock = threading.Lock()
        self._opened: Recording | str | None = None
        self._cursors: list[_Cursor] = []
        self._latest: OrderedDict[int, Image] = OrderedDict()

    def recording(self) -> Recording:
        """The recording, opened at first use.

        Raises:
            InputError: If it is not at hand.
        """
        with self._lock:
            return self._recording()

    def index_at(self, time: float) -> int | None:
        """Number of the frame shown at a time; None where nothing was recorded then.

        Raises:
            InputError: If the recording is not at hand.
        """
        times = self.recording().times
        # What is asked for has gone through the decimals of a page.
        index = bisect.bisect_right(times, time + 1e-3) - 1
        step = (times[-1] - times[0]) / max(len(times) - 1, 1)
        return None if index < 0 or time > times[-1] + max(step, 1e-3) else index

    def frame(self, index: int) -> Image:
        """Frame number `index`, BGR.

        Raises:
            InputError: If the recording is not at hand or has no such frame.
        """
        with self._lock:
            recording = self._recording()
            self._check(recording, index)
            if index not in self._latest:
                found = self._read(recording, index)
                if found is None:
                    raise InputError(f"frame {index}: of camera {self.row.name} does not decode; give another")
                self._latest[index] = found
                while len(self._latest) > MOST_FRAMES:
                    self._latest.popitem(last=False)
            self._latest.move_to_end(index)
            return self._latest[index]

    def time(self, index: int) -> float:
        """When frame number `index` was taken, seconds since the epoch.

        Raises:
            InputError: If the recording is not at hand or has no such frame.
        """
        recording = self.recording()
        self._check(recording, index)
        return recording.times[index]

    def _check(self, recording: Recording, index: int) -> None:
        if not 0 <= index < len(recording.times):
            last = len(recording.times) - 1
            raise InputError(f"frame {index}: camera {self.row.name} has frames 0 to {last}; give one of them")

    def _recording(self) -> Recording:
        if self._opened is None:
            self._opened = open_recording(self.row)
        if isinstance(self._opened, str):
            raise InputError(self._opened.removeprefix("no clip: "))
        return self._opened

    def _read(self, recording: Recording, index: int) -> Image | None:
        cursor = next((each for each in self._cursors if each.following <= index < each.following + AHEAD), None)
        if cursor is None:
            cursor = _Cursor(_frames_from(recording, index), index)
        else:
            self._cursors.remove(cursor)
        # The one used last comes last, so that who goes on reading keeps theirs.
        self._cursors = [*self._cursors, cursor][-MOST_CURSORS:]
        for number, image in cursor.coming:
            cursor.following = number + 1
            if number == index:
                return image()
            if number > index:
                break
        self._cursors.remove(cursor)
        return None


@dataclass(eq=False)
class _Cursor:
    """A place in a recording from which somebody goes on reading.

    Attributes:
        coming: Frames from there on.
        following: Number of the first of them.
    """

    coming: Iterator[tuple[int, Callable[[], Image]]]
    following: int


def _frames_from(recording: Recording, first: int) -> Iterator[tuple[int, Callable[[], Image]]]:
    """Frames from a number on, and what gives their images: to decode is needed for all, to convert for few."""
    end = len(recording.times)
    if isinstance(recording.source, VideoFile) and recording.stamps is not None:
        for number, picture in sought(recording.source, recording.stamps, first, end):
            yield number, partial(upright, picture, recording.source)
    else:
        for number, image in frames_between(recording, first, end):
            yield number, lambda image=image: image  # type: ignore[misc]


class Boxes:
    """Who is in each frame of a camera, found by frame number.

    Attributes:
        revision: Of the gallery, when they were read.
    """

    def __init__(self, gallery: Gallery, camera: str) -> None:
        self.revision = gallery.revision()
        rows = gallery.tracklets(camera)
        frames = np.concatenate([np.zeros(0, np.int64), *(row.frames for row in rows)])
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *(row.boxes for row in rows)])
        owner = np.repeat(np.arange(len(rows)), [len(row.frames) for row in rows])
        order = np.argsort(frames, kind="stable")
        self._frames: npt.NDArray[np.int64] = frames[order]
        corners = boxes[order].astype(np.float64)
        self._boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).round(1)
        self._owner = owner[order]
        self._who = [(row.track, row.identity) for row in rows]

    def at(self, index: int) -> tuple[ShownBox, ...]:
        """Who is in a frame."""
        first, end = np.searchsorted(self._frames, [index, index + 1])
        return tuple(
            ShownBox((left, top, width, height), *self._who[owner])
            for (left, top, width, height), owner in zip(
                self._boxes[first:end].tolist(), self._owner[first:end].tolist(), strict=True
            )
        )


class RecordedWall:
    """The cameras of a gallery whose recordings are files."""

    recorded = True

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._players = {row.name: Player(row) for row in gallery.cameras()}
        self._boxes: dict[str, Boxes] = {}
        self._pictures: OrderedDict[tuple[str, int, int], tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def cameras(self) -> list[CameraView]:
        """All cameras, by name."""
        return [self._view(player) for player in self._players.values()]

    def show(self, camera: str, time: float | None, width: int, after: int = -1) -> Shown | None:
        """The frame shown at a time; None for the last one."""
        player = self._player(camera)
        recording = player.recording()
        index = len(recording.times) - 1 if time is None else player.index_at(time)
        if index is None:
            return None
        row = player.row
        key = (camera, index, sent_width(width, row.width))
        jpeg = self._kept(key)
        if jpeg is None:
            jpeg = encode(player.frame(index), key[2])
            self._keep(key, jpeg)
        return Shown(camera, index, recording.times[index], row.width, row.height, self.boxes(camera, index), jpeg)

    def frame(self, camera: str, index: int) -> Image:
        """A frame in full."""
        return self._player(camera).frame(index)

    def time(self, camera: str, index: int) -> float:
        """When a frame was taken."""
        return self._player(camera).time(index)

    def boxes(self, camera: str, index: int) -> tuple[ShownBox, ...]:
        """Who is in a frame."""
        self._player(camera)
        with self._lock:
            kept = self._boxes.get(camera)
        if kept is None or kept.revision != self._gallery.revision():
            kept = Boxes(self._gallery, camera)
            with self._lock:
                self._boxes[camera] = kept
        return kept.at(index)

    def _player(self, camera: str) -> Player:
        if camera not in self._players:
            find_camera(self._gallery, camera)
            raise InputError(f"camera {camera!r}: came to the gallery after the console was started; start it again")
        return self._players[camera]

    def _view(self, player: Player) -> CameraView:
        row, times, note = player.row, None, ""
        try:
            times = player.recording().times
        except InputError as error:
            note = str(error)
        state = "missing" if times is None else "recorded"
        first, last = (None, None) if times is None else (times[0], times[-1])
        return CameraView(row.name, state, row.width, row.height, first, last, note)  # type: ignore[arg-type]

    def _kept(self, key: tuple[str, int, int]) -> bytes | None:
        with self._lock:
            made, jpeg = self._pictures.get(key, (-KEPT_SECONDS, b""))
            return jpeg if monotonic() - made < KEPT_SECONDS else None

    def _keep(self, key: tuple[str, int, int], jpeg: bytes) -> None:
        with self._lock:
            self._pictures[key] = monotonic(), jpeg
            self._pictures.move_to_end(key)
            while monotonic() - next(iter(self._pictures.values()))[0] >= KEPT_SECONDS:
                self._pictures.popitem(last=False)
