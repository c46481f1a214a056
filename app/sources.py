"""Video files and image folders as timed frames: every frame, in order, at its true time."""

from __future__ import annotations

import bisect
import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np
import numpy.typing as npt

from app.config import CAMERA_NAME, CameraConfig
from app.decoding import (
    Clock,
    declared_length,
    decode,
    decode_at,
    frame_count,
    frame_rate,
    frame_stamps,
    open_video,
)
from app.errors import InputError
from app.sequences import images_in, sequence_rate

TIME_SLACK = 0.001
"""Seconds by which a time may miss its frame: times are printed with three decimals."""

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of one camera at one time.

    Attributes:
        camera: Name of the camera.
        index: Number of the frame in its source, from 0.
        time: Seconds since the epoch: the camera's start plus the time into the recording.
        image: BGR, shape (h, w, 3), values 0 to 255.
    """

    camera: str
    index: int
    time: float
    image: Image


class Source(Protocol):
    """Frames of one camera. Iterating starts again at the first frame, as often as wanted.

    Attributes:
        name: Name of the camera.
        width: Width of every frame in pixels.
        height: Height of every frame in pixels.
        rate: Average frames a second.
        frame_count: Estimated number of frames; `None` where the file does not say.
        warnings: What went wrong in the latest iteration, one line each; complete when the iteration has ended.
    """

    name: str
    width: int
    height: int
    rate: Fraction
    frame_count: int | None
    warnings: list[str]

    def __iter__(self) -> Iterator[Frame]: ...

    def frame_times(self) -> list[float]:
        """Time of every frame in seconds since the epoch, without decoding where the file allows it."""

    def read(self, index: int) -> Frame | None:
        """Frame number `index`, the same that iterating delivers; `None` if it cannot be decoded."""


def open_source(camera: CameraConfig) -> Source:
    """Open a video file or a folder of images; its first frame is decoded to see that it can be.

    Raises:
        InputError: If there is no such file, it is not a video, or nothing in it can be decoded.
    """
    path = _existing(camera.source)
    return ImageFolder(camera) if path.is_dir() else VideoFile(camera)


def _existing(source: str) -> Path:
    """The path of a file or folder that exists.

    Raises:
        InputError: If it does not.
    """
    if "://" in source:
        # The address is not repeated: it may hold a password.
        raise InputError("a source is an address of the network; give the path of a video file or a folder of images")
    path = Path(source)
    if not source or not _exists(path):
        raise InputError(f"{source}: no such file or folder; check the path")
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no permission on a folder above it, or a name too long
        return False


def read_frame(camera_source: str, index: int | None = None, time: float | None = None, start: float = 0.0) -> Frame:
    """One frame of a video file or image folder, the same that iterating delivers.

    Args:
        camera_source: Path of the video file or of the folder of images.
        index: Number of the frame, from 0. Give this or `time`.
        time: Seconds since the epoch; the frame shown at that time is read, times up to 1 ms early included.
        start: Time of the first frame in seconds since the epoch.

    Raises:
        InputError: If the source cannot be read, or has no such frame.
        ValueError: If both or neither of `index` and `time` are given.
    """
    if (index is None) == (time is None):
        raise ValueError("expected either index or time")
    source = open_source(CameraConfig(name="frame", source=camera_source, start=start))
    times = source.frame_times()
    if index is None:
        assert time is not None
        index = _shown_at(times, time, source.rate, camera_source)
    if not 0 <= index < len(times):
        raise InputError(f"{camera_source}: no frame {index}; the frames are 0 to {len(times) - 1}")
    frame = source.read(index)
    if frame is None:
        raise InputError(f"{camera_source}: frame {index} is damaged; choose another")
    return frame


def _shown_at(times: Sequence[float], time: float, rate: Fraction, path: str) -> int:
    """Index of the frame shown at a time.

    Raises:
        InputError: If the time lies outside the recording.
    """
    end = times[-1] + float(1 / rate)
    if not times[0] - TIME_SLACK <= time < end + TIME_SLACK:
        raise InputError(f"{path}: nothing recorded at {time:.3f} s; it runs from {times[0]:.3f} to {end:.3f} s")
    return max(bisect.bisect_right(times, time + TIME_SLACK) - 1, 0)


class VideoFile:
    """A video file, decoded by PyAV.

    A damaged or truncated file gives every frame that decodes, then a line in `warnings` and a normal end. Frames of
    another size than the first are scaled to it. Rotation by quarter turns in the file's metadata is applied.
    """

    def __init__(self, camera: CameraConfig) -> None:
        self.name = camera.name
        self.path = camera.source
        self.start = camera.start
        self.warnings: list[str] = []
        with open_video(self.path) as container:
            stream = container.streams.video[0]
            first = next(decode(container, Counter()), None)
            if first is None:
                raise InputError(f"{self.path}: not one frame can be decoded; the file is empty or damaged")
            self._turns = round(first.rotation / 90) % 4
            self._coded_size = first.width, first.height
            self.rate = frame_rate(stream)
            self.frame_count = frame_count(container, stream, self.rate)
            self._declared = declared_length(container, stream)
        self.width, self.height = self._coded_size[:: -1 if self._turns % 2 else 1]

    def __iter__(self) -> Iterator[Frame]:
        self.warnings = []
        damage: Counter[str] = Counter()
        count, seconds = 0, 0.0
        for index, seconds, picture in self._decoded(damage):
            count += 1
            yield Frame(self.name, index, self.start + seconds, self._image(picture, damage))
        self.warnings = [f"{self.path}: {problem}, {number} times" for problem, number in damage.items()]
        if count < self._declared.frames:
            lost = f"{count} of {self._declared.frames} frames decoded"
            self.warnings.append(f"{self.path}: the file is cut off or damaged; {lost}")
        elif seconds + 1 < self._declared.seconds:
            lost = f"{seconds:.1f} of {self._declared.seconds:.1f} seconds decoded"
            self.warnings.append(f"{self.path}: the file is cut off or damaged; {lost}")

    def _decoded(self, damage: Counter[str]) -> Iterator[tuple[int, float, av.VideoFrame]]:
        """Number, seconds since the first frame, and picture of every frame that decodes."""
        clock = Clock(self.rate)
        index = -1
        with open_video(self.path) as container:
            for picture in decode(container, damage):
                following = index + 1
                if damage and self._stamps and picture.pts is not None:
                    # Frames that did not decode keep their numbers, so that a number means the same frame everywhere.
                    rank = bisect.bisect_left(self._stamps[0], picture.pts)
                    if rank < following:
                        damage["frame out of order left out"] += 1
                        continue
                    following = rank
                index = following
                yield index, clock(picture.pts, picture.time_base), picture

    def _image(self, picture: av.VideoFrame, damage: Counter[str]) -> Image:
        width, height = self._coded_size
        if (picture.width, picture.height) != self._coded_size:
            damage["frame of another size than the first scaled to it"] += 1
        image = picture.to_ndarray(format="bgr24", width=width, height=height)
        return np.ascontiguousarray(np.rot90(image, self._turns), dtype=np.uint8)

    @cached_property
    def _stamps(self) -> tuple[list[int], Fraction] | None:
        return frame_stamps(self.path)

    def frame_times(self) -> list[float]:
        """Time of every frame in seconds since the epoch; decodes the file only where packets do not tell."""
        if self._stamps is None:
            return [self.start + seconds for _, seconds, _ in self._decoded(Counter())]
        pts, unit = self._stamps
        return [self.start + float((stamp - pts[0]) * unit) for stamp in pts]

    def read(self, index: int) -> Frame | None:
        """Frame number `index`, from the key frame before it or else from the start; `None` if it does not decode."""
        if self._stamps is not None:
            pts, unit = self._stamps
            found = decode_at(self.path, pts[index], unit)
            if found is not None:
                time = self.start + float((pts[index] - pts[0]) * unit)
                return Frame(self.name, index, time, self._image(found, Counter()))
        for number, seconds, picture in self._decoded(Counter()):
            if number == index:
                return Frame(self.name, index, self.start + seconds, self._image(picture, Counter()))
        return None


class ImageFolder:
    """A folder of .jpg and .png images of one size, in the natural order of their names.

    The rate is `frameRate` of a `seqinfo.ini` in the folder or beside it, else 25 frames a second. An image in the
    middle that cannot be decoded is left out with a line in `warnings`; the others keep their numbers.
    """

    def __init__(self, camera: CameraConfig) -> None:
        self.name = camera.name
        self.path = camera.source
        self.start = camera.start
        self.warnings: list[str] = []
        folder = Path(camera.source)
        self.files = images_in(folder)
        if not self.files:
            raise InputError(
                f"{self.path}: no .jpg or .png images in this folder; give a folder with images, or a video"
            )
        self.rate = sequence_rate(folder)
        self.frame_count: int | None = len(self.files)
        first = _read_image(self.files[0])
        if first is None:
            raise InputError(f"{self.files[0]}: not an image that can be read; remove it or copy it again")
        self.height, self.width = first.shape[:2]
        for file in self.files:
            size = _image_size(file)
            if size != (self.width, self.height):
                raise InputError(
                    f"{file}: {size[0]} x {size[1]} pixels, but {self.files[0].name} has {self.width} x {self.height}; "
                    "all images of a folder must have one size"
                )

    def __iter__(self) -> Iterator[Frame]:
        self.warnings = []
        for index in range(len(self.files)):
            frame = self.read(index)
            if frame is None:
                self.warnings.append(f"{self.files[index]}: damaged image left out")
            else:
                yield frame

    def frame_times(self) -> list[float]:
        """Time of every image in seconds since the epoch."""
        return [self.start + float(index / self.rate) for index in range(len(self.files))]

    def read(self, index: int) -> Frame | None:
        """Image number `index`; `None` if it cannot be decoded."""
        image = _read_image(self.files[index])
        if image is None or image.shape[:2] != (self.height, self.width):
            return None
        return Frame(self.name, index, self.start + float(index / self.rate), image)


def _image_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels from an image's header."""
    size = 0, 0
    with (
        contextlib.suppress(av.error.FFmpegError, OSError, IndexError),
        av.open(str(path.resolve()), options={"protocol_whitelist": "file"}) as container,
    ):
        stream = container.streams.video[0]
        size = stream.width, stream.height
    if not all(size):
        raise InputError(f"{path}: not an image that can be read; remove it or copy it again")
    return size


def _read_image(path: Path) -> Image | None:
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if not data.size:
        return None
    return cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)  # type: ignore[return-value]


def name_sources(arguments: Sequence[str]) -> list[CameraConfig]:
    """Cameras from `PATH` or `NAME=PATH`, each with a name of its own.

    A name not given is the file's stem; equal stems take their folder's name, and `folder_stem` where that is still
    not enough. Characters a name may not have become `-`.

    Raises:
        InputError: If a path does not exist, a given name is not allowed, or two cameras end up with one name.
    """
    given: list[tuple[str | None, Path]] = [_split_argument(argument) for argument in arguments]
    choices = [[name] * 3 if name else _derived_names(path) for name, path in given]
    level = [0] * len(given)
    for _ in range(2):
        names = [options[step] for options, step in zip(choices, level, strict=True)]
        level = [step + (names.count(name) > 1) for step, name in zip(level, names, strict=True)]
    names = [options[step] for options, step in zip(choices, level, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two sources would be named {name}; give one another name: NAME=PATH")
    return [CameraConfig(name=name, source=str(path)) for name, (_, path) in zip(names, given, strict=True)]


def _split_argument(argument: str) -> tuple[str | None, Path]:
    name, sign, path = argument.partition("=")
    if not sign or "://" in name or _exists(Path(argument)):
        name, path = "", argument
    elif not CAMERA_NAME.fullmatch(name) or len(name) > 64:
        raise InputError(f"{argument}: {name!r} cannot name a camera; use up to 64 letters, digits, - and _")
    if not path:
        raise InputError(f"{argument}: no path after the =; give NAME=PATH")
    return name or None, _existing(path)


def _derived_names(path: Path) -> list[str]:
    whole = path.resolve()
    stem = whole.name if whole.is_dir() else whole.stem
    options = [stem, whole.parent.name, f"{whole.parent.name}_{stem}"]
    return [re.sub(r"[^A-Za-z0-9_-]", "-", option)[:64] or "camera" for option in options]
