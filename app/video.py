"""Encoding: images with their times into an mp4 that plays anywhere."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import av
import cv2
import numpy as np
import numpy.typing as npt

from app.errors import InputError

TICK = Fraction(1, 90_000)
"""Unit of time stamps in seconds: divides the frame rates in use, and is finer than any of them."""
PRESET = "superfast"
QUALITY = 23
"""x264's constant rate factor where none is asked for."""
BT601 = 6
"""The colour matrix of OpenCV's conversion (SMPTE 170M in ffmpeg's numbering), written into the file."""

T = TypeVar("T")


class VideoWriter:
    """H.264 (yuv420p, moov atom first) with the given times, whole on disk or not there at all.

    Frames go to `<path>.part` in the same folder, which takes the final name on closing; so it does when the `with`
    block ends by an exception or Ctrl-C: what has been written by then plays. Without any frame no file is left.
    An odd width or height, which yuv420p cannot have, is padded by one pixel that repeats the edge.

    Args:
        path: The .mp4 file to write; one that exists is replaced.
        width: Width of the images in pixels.
        height: Height of the images in pixels.
        rate: Average frames a second.
        quality: x264's constant rate factor, 0 to 51: lower is better and larger.
        threads: Encoder threads, on whose number the pictures depend a little; 0 is as many as x264 likes.

    Raises:
        InputError: If the file cannot be written there, or the disk is full.
    """

    def __init__(
        self, path: str | Path, width: int, height: int, rate: Fraction, *, quality: int = QUALITY, threads: int = 0
    ) -> None:
        self.path = Path(path)
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._size = width, height
        self._duration = max(round(1 / rate / TICK), 1)
        self._start: float | None = None
        self._stamp = -1
        if self.path.is_dir():
            raise InputError(f"{self.path}: is a folder; give another output")
        self._container: Any = None
        # PyAV opens files late: an output that cannot be written would only show with the first frames.
        self._do(lambda: self._part.write_bytes(b""))
        self._container = self._do(lambda: av.open(str(self._part), "w", format="mp4", options=_MUXER))
        self._stream = self._container.add_stream("libx264", rate=rate, options={"preset": PRESET, "crf": str(quality)})
        self._stream.codec_context.thread_count = threads
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = TICK
        self._stream.codec_context.colorspace = BT601
        self._stream.codec_context.color_range = av.video.reformatter.ColorRange.MPEG

    def write(self, image: npt.NDArray[np.uint8], time: float) -> None:
        """Append an image.

        Args:
            image: BGR, shape (height, width, 3).
            time: When it is shown, in seconds; only differences to the first image count. A time not after the one
                before it is moved just behind it.

        Raises:
            InputError: If the disk is full.
            ValueError: If the image has another size.
        """
        width, height = self._size
        if image.shape != (height, width, 3):
            raise ValueError(f"expected an image of shape {(height, width, 3)}, got {image.shape}")
        if width % 2 or height % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        # OpenCV converts in a third of the time that swscale takes.
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._start = time if self._start is None else self._start
        self._stamp = max(round((time - self._start) / TICK), self._stamp + 1)
        frame.pts, frame.time_base = self._stamp, TICK
        self._do(lambda: self._mux(frame))

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises:
            InputError: If the disk is full.
        """
        if self._container is None:
            return
        if self._stamp < 0:
            self._abandon()
            return
        self._do(lambda: self._mux(None))
        container, self._container = self._container, None
        self._do(container.close)
        self._do(lambda: self._part.replace(self.path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            packet.duration = self._duration
            self._container.mux(packet)

    def _do(self, action: Callable[[], T]) -> T:
        """Run what touches the disk; its errors become one clear line, and no half file is left."""
        try:
            return action()
        except (av.error.FFmpegError, OSError) as error:
            self._abandon()
            if error.errno == errno.ENOSPC:
                raise InputError(f"{self.path}: the disk is full; free some space or give another output") from None
            raise InputError(f"{self.path}: cannot be written ({error.strerror}); give another output") from None

    def _abandon(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                container.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)


_MUXER = {"movflags": "+faststart"}
