"""What to simulate: how many cameras and people, for how long, in what pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from app.errors import InputError

MOST_CAMERAS = 64
MOST_PEOPLE = 2000
SMALLEST_SIDE = 64
LARGEST_SIDE = 7680
LONGEST = 6 * 3600.0
LONGEST_WAIT = 60.0
FPS_RANGE = (1.0, 120.0)


@dataclass(frozen=True, slots=True)
class SimulationConfig:
    """A crowd to be simulated.

    Attributes:
        cameras: How many film it, 1 to 64.
        people: How many there are in the whole simulation, 1 to 2000. Who finds no room waits outside.
        seconds: Length of the videos, at most six hours.
        fps: Frames a second, 1 to 120.
        size: Width and height of the pictures: even, 64 to 7680 pixels each.
        seed: 0 or more. The same configuration with the same seed gives the same files.
        start: Time of the first frame, seconds since the epoch.
        every: Seconds between two looks at the crowd where people are cut out, at most a minute.
        workers: Most cameras rendered at the same time; none: as many as there are processor cores. The files do not
            depend on it.

    Raises:
        InputError: If a value is out of its range.
    """

    cameras: int = 3
    people: int = 40
    seconds: float = 60.0
    fps: float = 25.0
    size: tuple[int, int] = (1280, 720)
    seed: int = 7
    start: float = 0.0
    every: float = 0.4
    workers: int | None = None

    def __post_init__(self) -> None:
        _within("cameras", self.cameras, 1, MOST_CAMERAS)
        _within("people", self.people, 1, MOST_PEOPLE)
        _within("fps", self.fps, *FPS_RANGE)
        if not 0 < self.seconds <= LONGEST:
            raise InputError(f"seconds {self.seconds:g}: expected more than 0 and at most {LONGEST:g}")
        if not 0 < self.every <= LONGEST_WAIT:
            raise InputError(f"every {self.every:g}: expected seconds, more than 0 and at most {LONGEST_WAIT:g}")
        for side, pixels in zip(("width", "height"), self.size, strict=True):
            if not SMALLEST_SIDE <= pixels <= LARGEST_SIDE or pixels % 2:
                raise InputError(
                    f"{side} {pixels}: pictures have an even number of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels "
                    "a side; give another size, such as 1280x720"
                )
        if self.seed < 0:
            raise InputError(f"seed {self.seed}: expected a whole number from 0; give another")
        if not math.isfinite(self.start):
            raise InputError(f"start {self.start}: expected seconds or ISO 8601, such as 2026-03-01T08:30:00")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers {self.workers}: at least one is needed; leave it out for one a processor core")

    @property
    def frames(self) -> int:
        """How many frames each video has, at least one."""
        return max(1, round(self.seconds * self.fps))


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} {value:g}: expected {low:g} to {high:g}; give another number")
