"""Packets of a camera, or frames of a file in its own time, into those frames that are wanted."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

from app.capture.reasons import CameraError, failure_of
from app.capture.recording import Recorder
from app.capture.ring import Image
from app.capture.timeline import Pacer, Timeline
from app.decoding import Clock, decode, frame_rate, open_video
from app.errors import InputError
from app.sequences import images_in, sequence_rate

WAITED = 0.002
"""Seconds of reading from which a packet was waited for, and did not lie in a queue."""

FAR_BEHIND = 4.0
"""How many times the staleness allowed a stream may be behind before packets are left out up to a key frame."""

_ALONE = {"mjpeg", "png", "rawvideo", "dvvideo"}
"""Codecs in which each packet is a picture of its own: what is not wanted need not be decoded."""

_UNTIMED = {"mpjpeg", "mjpeg", "h264", "hevc", "m4v", "image2pipe", "jpeg_pipe", "png_pipe"}
"""Formats without stamps of their own: a frame was taken when it came."""

_WHOLE_FILES = {"mov,mp4,m4a,3gp,3g2,mj2", "avi", "flv"}
"""Formats of files that a server gives faster than they were filmed."""


@dataclass
class Order:
    """What to play and how.

    Attributes:
        address: What to open.
        kind: network, webcam or file.
        transport: tcp or udp.
        open_seconds: Longest wait for an answer.
        read_seconds: Longest wait for a packet.
        stale_seconds: Age from which a frame is not worth converting.
        pacer: Which frames are wanted; its rate may be changed from another thread.
        recorder: Is given all packets of a stream; None: nothing is recorded.
        stopped: Set to end.
    """

    address: str
    kind: str
    transport: str
    open_seconds: float
    read_seconds: float
    stale_seconds: float
    pacer: Pacer
    recorder: Recorder | None = None
    stopped: threading.Event = field(default_factory=threading.Event)


@dataclass
class Progress:
    """How far a stream has come.

    Attributes:
        count: Frames that came.
        late: Of those, too late to be decoded or converted.
        seen: When the latest was received, by the monotonic clock; None before the first.
        codec: Name of the codec.
    """

    count: int = 0
    late: int = 0
    seen: float | None = None
    codec: str = ""


Show = Callable[[Image, float], None]
"""Takes a wanted frame, BGR, and when it was taken by the monotonic clock."""


def play(order: Order, progress: Progress, opened: Callable[[], None], seen: Callable[[], None], show: Show) -> None:
    """Plays until it ends or is told to.

    Args:
        order: What to play.
        progress: Is kept up to date.
        opened: Called once there is a stream with video.
        seen: Called for each frame that is not shown.
        show: Called for each that is.

    Raises:
        CameraError: If it cannot be opened, or breaks off. A file that is played to its end just returns.
        MemoryError: If there is not enough.
    """
    player = _Player(order, progress, opened, seen, show)
    if order.kind == "file":
        player.play_file()
    else:
        player.play_stream()


def _open(order: Order) -> Any:
    network = order.kind == "network"
    # Later than our own limits, which say more about what happened.
    limit = str(round((max(order.open_seconds, order.read_seconds) + 1) * 1e6))
    # Not fflags=nobuffer: it throws away what is read while opening, the first key frame too, and the first picture is
    # then seconds late.
    options = {"flags": "low_delay", "analyzeduration": "200000", "fpsprobesize": "0"}
    form = None
    if order.address.lower().startswith("rtsp"):
        options |= {
            "rtsp_transport": order.transport,
            "allowed_media_types": "video",
            "timeout": limit,
            "protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto",
        }
    elif network:
        options |= {
            "rw_timeout": limit,
            "protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy",
        }
    else:
        form = "v4l2"
    try:
        return av.open(order.address, format=form, options=options, timeout=(order.open_seconds, order.read_seconds))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise failure_of(error, order.address, network) from None


class _Player:
    def __init__(
        self, order: Order, progress: Progress, opened: Callable[[], None], seen: Callable[[], None], show: Show
    ) -> None:
        self._order, self._progress = order, progress
        self._opened, self._seen, self._show = opened, seen, show
        self._timeline = Timeline()
        self._behind = False

    # Streams

    def play_stream(self) -> None:
        order = self._order
        with _open(order) as container:
            if not container.streams.video:
                raise CameraError("empty", "there is no video in it")
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"
            self._progress.codec = stream.codec_context.name
            if container.format.name in _WHOLE_FILES:
                self._opened()
                self._play_timed(_pictures(container, frame_rate(stream)))
                return
            self._timed = container.format.name not in _UNTIMED
            self._alone = stream.codec_context.name in _ALONE
            self._opened()
            try:
                for packet, arrival, waited in self._packets(container, stream):
                    self._take(stream, packet, arrival, waited)
                    if order.recorder is not None:
                        order.recorder.take(packet, stream)
            finally:
                if order.recorder is not None:
                    order.recorder.close()

    def _packets(self, container: Any, stream: Any) -> Iterator[tuple[Any, float, bool]]:
        packets = container.demux(stream)
        while not self._order.stopped.is_set():
            begun = time.monotonic()
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                raise failure_of(error, self._order.address, False) from None
            if packet is None or not packet.size:
                raise CameraError("closed", "the camera has ended the stream")
            arrival = time.monotonic()
            yield packet, arrival, arrival - begun >= WAITED

    def _take(self, stream: Any, packet: Any, arrival: float, waited: bool) -> None:
        progress, pacer = self._progress, self._order.pacer
        progress.count += 1
        stamp = float(packet.pts * packet.time_base) if self._timed and packet.pts is not None else None
        guessed = self._timeline.guess(stamp, arrival)
        if self._left_out(stream, packet, arrival - guessed, waited):
            progress.late += 1
            return
        wanted = pacer.would(guessed)
        if self._alone and not wanted:
            self._timeline(stamp, arrival, waited)
            self._note(arrival)
            return
        # Pictures that no other refers to need not be decoded where they are not wanted.
        stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        try:
            pictures = stream.decode(packet)
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError):
            return
        if not pictures and not wanted:
            self._note(arrival)
        for picture in pictures:
            time_base = picture.time_base or packet.time_base
            own = float(picture.pts * time_base) if self._timed and picture.pts is not None else None
            self._picture(picture, self._timeline(own, arrival, waited), arrival)

    def _left_out(self, stream: Any, packet: Any, lag: float, waited: bool) -> bool:
        """Whether a packet is left out, because decoding is too far behind to catch up otherwise."""
        if not self._behind:
            # A packet that was waited for is no backlog, whatever its stamp says.
            self._behind = not waited and lag > FAR_BEHIND * self._order.stale_seconds
            return self._behind and not packet.is_keyframe
        if packet.is_keyframe and (waited or lag <= self._order.stale_seconds):
            self._behind = False
            stream.codec_context.flush_buffers()
        return self._behind

    def _picture(self, picture: Any, taken: float, arrival: float) -> None:
        now = time.monotonic()
        if now - taken > self._order.stale_seconds:
            self._progress.late += 1
        elif self._order.pacer.wanted(taken):
            self._progress.seen = arrival
            self._show(_image(picture), taken)
            return
        self._note(arrival)

    def _note(self, arrival: float) -> None:
        self._progress.seen = arrival
        self._seen()

    # Files

    def play_file(self) -> None:
        path = Path(self._order.address)
        if path.is_dir():
            files, rate = images_in(path), sequence_rate(path)
            if not files:
                raise CameraError("empty", "there are no .jpg or .png images in this folder")
            self._opened()
            self._progress.codec = "images"
            self._play_timed((float(number / rate), _read(file)) for number, file in enumerate(files))
            return
        if not path.exists():
            raise CameraError("missing", "there is no such file or folder")
        with open_video(str(path)) as container:
            stream = container.streams.video[0]
            self._progress.codec = stream.codec_context.name
            self._opened()
            self._play_timed(_pictures(container, frame_rate(stream)))

    def _play_timed(self, pictures: Iterator[tuple[float, Any | None]]) -> None:
        """Frames at their seconds from now, each when its time has come."""
        begun: float | None = None
        for seconds, picture in pictures:
            if begun is None:
                begun = time.monotonic() - seconds
            due = begun + seconds
            if self._order.stopped.wait(max(due - time.monotonic(), 0)):
                return
            if picture is not None:
                self._progress.count += 1
                self._picture(picture, due, time.monotonic())


def _pictures(container: Any, rate: Any) -> Iterator[tuple[float, Any | None]]:
    clock = Clock(rate)
    for picture in _decoded(container):
        yield clock(picture.pts, picture.time_base), picture


def _decoded(container: Any) -> Iterator[Any]:
    """All pictures that decode; what is damaged is left out, but a lack of memory is told.

    Raises:
        MemoryError: If there is not enough.
    """
    damage: Counter[str] = Counter()
    yield from decode(container, damage)
    if any(os.strerror(errno.ENOMEM) in problem for problem in damage):
        raise MemoryError


def _read(path: Path) -> Any | None:
    try:
        with open_video(str(path)) as container:
            return next(_decoded(container), None)
    except InputError:
        return None


def _image(picture: Any) -> Image:
    image = picture.to_ndarray(format="bgr24", threads=1)
    turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
