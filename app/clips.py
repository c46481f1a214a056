"""Clips of what a search found: the seconds around a sighting, cut from the recording, with the person's box."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from app.config import CameraConfig
from app.decoding import decode, frame_stamps, open_video
from app.errors import InputError
from app.gallery import CameraRow, Gallery
from app.search import Match
from app.sources import Source, VideoFile, open_source
from app.video import VideoWriter

Image = npt.NDArray[np.uint8]

AROUND = 3.0
"""Seconds shown before and after the sighting."""

INK = (20, 90, 230)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, the time of each of its frames, and their stamps where a frame can be sought by them.

    Attributes:
        source: Its frames.
        times: Time of each, seconds since the epoch.
        stamps: Presentation stamps, in the file's unit; None where frames cannot be sought.
    """

    source: Source
    times: list[float]
    stamps: list[int] | None


def cut_clips(gallery: Gallery, matches: Sequence[Match], paths: Sequence[Path]) -> list[str]:
    """Cuts a clip for each match, as far as the recordings are at hand.

    Args:
        gallery: What was searched.
        matches: What to show.
        paths: The .mp4 file for each.

    Returns:
        Why there is none, for each match; empty where there is one.
    """
    cameras = {row.name: row for row in gallery.cameras()}
    recordings: dict[str, Recording | str] = {}
    reasons = []
    for match, path in zip(matches, paths, strict=True):
        camera = cameras[match.camera]
        if camera.name not in recordings:
            recordings[camera.name] = open_recording(camera)
        recording = recordings[camera.name]
        reasons.append(recording if isinstance(recording, str) else _cut(gallery, recording, match, path))
    return reasons


def open_recording(camera: CameraRow) -> Recording | str:
    """The recording of a camera, or why it is not at hand."""
    try:
        source = open_source(CameraConfig(name="recording", source=camera.source, start=camera.start))
    except InputError as error:
        return f"no clip: {error}"
    if (source.width, source.height) != (camera.width, camera.height):
        return f"no clip: {camera.source} is not the recording that was annotated: its pictures have another size"
    known = frame_stamps(source.path) if isinstance(source, VideoFile) else None
    return Recording(source, source.frame_times(), None if known is None else known[0])


def _cut(gallery: Gallery, recording: Recording, match: Match, path: Path) -> str:
    """Writes one clip; why not, where that fails."""
    tracklet = gallery.tracklet(match.camera, match.track)
    boxes = {} if tracklet is None else dict(zip(tracklet.frames.tolist(), tracklet.boxes.tolist(), strict=True))
    source, times = recording.source, recording.times
    # A frame's time is rounded when it is stored.
    first = bisect.bisect_left(times, match.time - AROUND - 1e-6)
    end = bisect.bisect_right(times, match.time + AROUND + 1e-6)
    if first >= end:
        return f"no clip: the recording of {match.camera} has no frames at that time"
    with VideoWriter(path, source.width, source.height, source.rate) as writer:
        for index, image in frames_between(recording, first, end):
            if index in boxes:
                image = _boxed(image, boxes[index])
            writer.write(image, times[index])
    return "" if path.exists() else f"no clip: the recording of {match.camera} does not decode there"


def frames_between(recording: Recording, first: int, end: int) -> Iterator[tuple[int, Image]]:
    """Frames `first` to before `end` of a recording, with their numbers; those that do not decode are left out."""
    source = recording.source
    if not isinstance(source, VideoFile):
        for index in range(first, end):
            frame = source.read(index)
            if frame is not None:
                yield index, frame.image
    elif recording.stamps is None:
        for frame in source:
            if frame.index >= end:
                return
            if frame.index >= first:
                yield frame.index, frame.image
    else:
        for index, picture in sought(source, recording.stamps, first, end):
            yield index, upright(picture, source)


def sought(source: VideoFile, stamps: list[int], first: int, end: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """The same as decoded, by seeking to the key frame before the first; one frame is then decoded after the other."""
    numbers = {stamp: index for index, stamp in enumerate(stamps[first:end], first)}
    with open_video(source.path) as container:
        stream = container.streams.video[0]
        try:
            container.seek(stamps[first], stream=stream, backward=True)
        except av.error.FFmpegError:
            return
        for picture in decode(container, Counter()):
            if picture.pts in numbers:
                yield numbers[picture.pts], picture
            if picture.pts is not None and picture.pts >= stamps[end - 1]:
                return


def upright(picture: av.VideoFrame, source: VideoFile) -> Image:
    """A decoded frame of a source as BGR, turned as the source says."""
    turns = round(picture.rotation / 90) % 4
    size = (source.height, source.width) if turns % 2 else (source.width, source.height)
    image = picture.to_ndarray(format="bgr24", width=size[0], height=size[1])
    return np.ascontiguousarray(np.rot90(image, turns), dtype=np.uint8)


def _boxed(image: Image, box: Sequence[float]) -> Image:
    left, top, right, bottom = (round(value) for value in box)
    shown = image.copy()
    cv2.rectangle(shown, (left, top), (right, bottom), INK, max(2, image.shape[0] // 300))
    return shown
