"""Cameras that are watched in a test: their frames, what was told, and what a process holds."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.capture import CameraNotice, CameraState, Capture
from app.config import CameraConfig
from app.config_live import LiveConfig
from app.sources import Frame


class Watching:
    """A capture and all that came of it."""

    def __init__(self, *, keep_images: bool = True, **settings: Any) -> None:
        self.keep_images = keep_images
        self.frames: dict[str, list[Frame]] = defaultdict(list)
        self.ages: list[float] = []
        self.notices: list[CameraNotice] = []
        self.capture = Capture(LiveConfig(**settings), notice=self.notices.append)

    def add(self, name: str, source: str, **settings: object) -> None:
        self.capture.add(CameraConfig(name=name, source=source, **settings))

    def until(self, happened: Callable[[], object], seconds: float) -> float:
        """Takes frames until something has happened; returns after how many seconds.

        Raises:
            AssertionError: If it does not happen in time.
        """
        begun = time.monotonic()
        while not happened():
            waited = time.monotonic() - begun
            assert waited < seconds, f"not within {seconds} s: {self.capture.states()}"
            self.look(0.05)
        return time.monotonic() - begun

    def look(self, seconds: float) -> None:
        self.capture.wait(seconds)
        for frame in self.capture.take():
            self.ages.append(time.time() - frame.time)
            kept = frame if self.keep_images else replace(frame, image=np.zeros((0, 0, 3), np.uint8))
            self.frames[frame.camera].append(kept)

    def during(self, seconds: float) -> dict[str, int]:
        """How many frames of each camera come within some seconds."""
        before = {name: len(frames) for name, frames in self.frames.items()}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look(0.05)
        return {name: len(frames) - before.get(name, 0) for name, frames in self.frames.items()}

    def frames_come(self, *names: str, count: int = 3) -> Callable[[], bool]:
        """Whether some more frames of each camera have come from now on."""
        before = {name: len(self.frames[name]) for name in names}
        return lambda: all(len(self.frames[name]) - before[name] >= count for name in names)

    def state(self, name: str) -> CameraState:
        return next(state for state in self.capture.states() if state.name == name)

    def told(self, name: str) -> list[str]:
        return [notice.kind for notice in self.notices if notice.camera == name]

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self.capture.close()


def decoders() -> list[int]:
    """Numbers of the decoding processes of this process."""
    return [pid for pid in _children() if b"app.capture.worker" in _words(pid)]


def _children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def held() -> dict[str, int]:
    """What this process holds: decoders, open files, mapped frame memory."""
    maps = Path("/proc/self/maps").read_text()
    return {
        "decoders": len(decoders()),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "maps": maps.count("crowdtrace-frames"),
    }
