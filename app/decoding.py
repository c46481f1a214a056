"""PyAV containers into pictures, whatever the state of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from app.errors import InputError

DEFAULT_RATE = Fraction(25)
"""Frames a second of an image folder without `seqinfo.ini`, and of a video that does not say."""

# Codecs outside this list may have packets that are never shown, so that counting packets would not count frames.
_ONE_PACKET_ONE_FRAME = {"h264", "hevc", "mpeg1video", "mpeg2video", "mjpeg", "av1", "libdav1d", "vp9", "libvpx-vp9"}
# Program and transport streams declare neither a frame count nor, often, a true duration.
_NO_DURATION = {"mpeg", "mpegts", "mpegvideo"}
_LARGEST_COUNTED = 256 * 2**20
# Elsewhere stamps are guessed in part, and come out differently after seeking than when read from the start.
_TRUE_STAMPS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts"}
_WRITES_DURATION = {"matroska,webm"}


class Clock:
    """Presentation stamps into seconds since the first frame, always increasing.

    A missing stamp, or one that does not come after the time before it, counts as one frame later.
    """

    def __init__(self, rate: Fraction) -> None:
        self._step = 1 / rate
        self._first: Fraction | None = None
        self._latest: Fraction | None = None

    def __call__(self, pts: int | None, unit: Fraction | None) -> float:
        """Seconds since the first frame, of a frame stamped `pts` in units of `unit` seconds."""
        stamp = None if pts is None or unit is None else pts * unit
        if self._first is None or self._latest is None:
            self._first = self._latest = Fraction(0) if stamp is None else stamp
        elif stamp is not None and stamp > self._latest:
            self._latest = stamp
        else:
            self._latest += self._step
        return float(self._latest - self._first)


def open_video(path: str) -> Any:
    """An open PyAV container with at least one video stream, set to decode on several threads.

    Raises:
        InputError: If the file is not a video.
    """
    try:
        # Only local files: a playlist under a video's name must not make the program fetch what it lists.
        container = av.open(str(Path(path).resolve()), options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: {_why_unreadable(Path(path), error)}") from None
    if not container.streams.video:
        container.close()
        raise InputError(f"{path}: no video stream in this file; give a file with pictures")
    container.streams.video[0].thread_type = "AUTO"
    return container


def _why_unreadable(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as denied:
        return f"cannot be read ({denied.strerror}); check its permissions"
    if not head:
        return "the file is empty; copy or record it again"
    if head[4:8] == b"ftyp":
        return "the file is cut off or damaged: the index of its frames is missing; copy or record it again"
    return f"not a video that can be read ({getattr(error, 'strerror', None) or error}); give a video file"


def decode(container: Any, damage: Counter[str]) -> Iterator[av.VideoFrame]:
    """All frames of the first video stream that decode; what does not is counted in `damage`, by its description."""
    stream = container.streams.video[0]
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            damage[f"reading stopped early ({error.strerror})"] += 1
            packet = None
        # Without a packet the decoder hands out what its threads still hold.
        try:
            yield from stream.decode(packet)
        except av.error.EOFError:
            pass
        except av.error.FFmpegError as error:
            damage[f"packet that does not decode ({error.strerror})"] += 1
        if packet is None:
            return


def frame_rate(stream: Any) -> Fraction:
    """Average frames a second of a video stream."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate is not None and 0 < rate <= 1000:
            return Fraction(rate)
    return DEFAULT_RATE


def frame_count(container: Any, stream: Any, rate: Fraction) -> int | None:
    """Number of frames: declared, counted without decoding, or estimated from the duration; `None` if unknown."""
    if stream.frames:
        return int(stream.frames)
    if container.format.name in _NO_DURATION:
        if container.size > _LARGEST_COUNTED:
            return None
        with open_video(container.name) as fresh:
            return sum(bool(packet.size) for packet in _packets(fresh))
    if stream.duration and stream.time_base:
        return int(stream.duration * stream.time_base * rate)
    return int(container.duration * rate / av.time_base) if container.duration else None


@dataclass(frozen=True, slots=True)
class Length:
    """What a file's header says about its length; 0 where it says nothing."""

    frames: int
    seconds: float


def declared_length(container: Any, stream: Any) -> Length:
    """The length in the header of a file, to be compared with what decodes."""
    known = container.format.name in _WRITES_DURATION and container.duration
    return Length(stream.frames, container.duration / av.time_base if known else 0.0)


def frame_stamps(path: str) -> tuple[list[int], Fraction] | None:
    """Sorted presentation stamps of all frames and their unit in seconds, read without decoding.

    Returns:
        `None` where packets do not tell which frames there will be: stamps missing, guessed or given twice, a
        recording that starts between key frames, or a codec with packets that are never shown.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        packets = [p for p in _packets(container) if p.size and not p.is_discard]
        known = stream.codec_context.name in _ONE_PACKET_ONE_FRAME and container.format.name in _TRUE_STAMPS
        unit = stream.time_base
    pts = [p.pts for p in packets if p.pts is not None]
    if not known or not pts or unit is None or len(set(pts)) < len(packets):
        return None
    # Leading pictures of an open first group refer to frames that are not there: whether they decode is not known.
    if not packets[0].is_keyframe or min(pts) < packets[0].pts:
        return None
    return sorted(pts), unit


def _packets(container: Any) -> Iterator[Any]:
    """All packets of the first video stream, up to where a damaged file stops."""
    try:
        yield from container.demux(container.streams.video[0])
    except av.error.FFmpegError:
        return


def decode_at(path: str, target: int, unit: Fraction) -> av.VideoFrame | None:
    """The frame with stamp `target` (in units of `unit` seconds), by seeking to a key frame before it.

    Returns:
        `None` where seeking does not find it.
    """
    # Some containers seek to a place near the key frame, so that what follows is incomplete: then start earlier.
    for back in (0, 2, 10, 60):
        with open_video(path) as container:
            stream = container.streams.video[0]
            try:
                container.seek(target - round(back / unit), stream=stream, backward=True)
            except av.error.FFmpegError:
                return None
            frame = _first_at(decode(container, Counter()), target)
        if frame is not None:
            return frame
    return None


def _first_at(frames: Iterator[av.VideoFrame], target: int) -> av.VideoFrame | None:
    for number, frame in enumerate(frames):
        if frame.pts is None or frame.pts > target or (number == 0 and not frame.key_frame):
            return None
        if frame.pts == target:
            return frame
    return None
