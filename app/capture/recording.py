"""What cameras send, kept as it comes: packets into segments, which are removed when their time is over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import av

SUFFIX = ".mkv"
"""Of segments: a container whose beginning can be played, however it was cut off."""

UNFINISHED = ".part"
"""What a segment's name ends in while it is written."""

RETRY_SECONDS = 30.0
"""Seconds until recording is tried again after it has failed."""


def recordings(folder: Path) -> Path:
    """Where the recordings of a run are, in its folder: a folder for each camera."""
    return folder / "recordings"


class Recorder:
    """Writes the packets of one stream into segments, without decoding them.

    A segment begins with a key frame, and its name is the time of it, such as `20260301T083000.000Z.mkv`. What cannot
    be written is left out, and told by `problem`; it never holds up the camera.

    Args:
        folder: Where segments are written; made where there is none. What an earlier recorder did not finish is
            finished.
        seconds: From which a segment ends, at the next key frame.
        wall: Seconds since the epoch.

    Attributes:
        problem: Why nothing is written, in a line; empty where it is.
    """

    def __init__(self, folder: Path, seconds: float, wall: Callable[[], float] = time.time) -> None:
        self.problem = ""
        self._folder, self._seconds, self._wall = folder, seconds, wall
        self._container: Any = None
        self._stream: Any = None
        self._file = folder
        self._begun = self._retry = -float("inf")
        self._first = self._last = 0
        self._looks: object = None
        with contextlib.suppress(OSError):
            for left in folder.glob(f"*{SUFFIX}{UNFINISHED}"):
                left.rename(left.with_suffix(""))

    def take(self, packet: Any, stream: Any) -> None:
        """Writes a packet of a stream; call it when the packet is not needed any more."""
        now = self._wall()
        if self._container is None and (not packet.is_keyframe or now < self._retry):
            return
        try:
            looks = stream.codec_context.width, stream.codec_context.height
            if packet.is_keyframe and (now - self._begun >= self._seconds or looks != self._looks):
                self.close()
                self._open(stream, now)
                self._looks = looks
                self._first, self._last = self._stamp(packet, now), -1
            self._write(packet, now)
            self.problem = ""
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.problem = f"cannot be recorded in {self._folder} ({getattr(error, 'strerror', None) or error})"
            self._retry = now + RETRY_SECONDS
            self.close()

    def close(self) -> None:
        """Ends the segment that is being written."""
        container, self._container, self._stream = self._container, None, None
        if container is None:
            return
        with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
            container.close()
        with contextlib.suppress(OSError):  # it may have been finished, or removed, by another
            self._file.rename(self._file.with_suffix(""))

    def _open(self, stream: Any, now: float) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        moment = datetime.fromtimestamp(now, timezone.utc)
        name = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03d}Z{SUFFIX}{UNFINISHED}"
        self._file, self._begun = self._folder / name, now
        self._container = av.open(str(self._file), "w", format="matroska")
        self._stream = self._container.add_stream_from_template(stream)

    def _write(self, packet: Any, now: float) -> None:
        stamp = max(self._stamp(packet, now) - self._first, self._last + 1)
        shift = 0 if packet.pts is None or packet.dts is None else max(packet.pts - packet.dts, 0)
        packet.dts, packet.pts, self._last = stamp, stamp + shift, stamp
        packet.stream = self._stream
        self._container.mux(packet)

    def _stamp(self, packet: Any, now: float) -> int:
        """When a packet is decoded, in its own units; by our clock where it does not say."""
        for own in (packet.dts, packet.pts):
            if own is not None:
                return int(own)
        return round((now - self._begun) / float(packet.time_base)) + self._first


def prune(folder: Path, hours: float, gigabytes: float, now: float) -> int:
    """Removes segments that are too old, and the oldest of those that are too much; returns how many.

    Args:
        folder: Holds a folder of segments for each camera.
        hours: Age from which a segment is removed.
        gigabytes: Most room for all that is there.
        now: Seconds since the epoch.
    """
    segments: list[tuple[float, int, Path]] = []
    room = round(gigabytes * 1e9)
    for path in folder.glob(f"*/*{SUFFIX}*"):
        with contextlib.suppress(OSError):
            found = path.stat()
            room -= found.st_size
            if path.suffix == SUFFIX:
                segments.append((found.st_mtime, found.st_size, path))
    removed = 0
    for ended, size, path in sorted(segments):
        if ended >= now - hours * 3600 and room >= 0:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            removed, room = removed + 1, room + size
    return removed
