"""What a crowd did, frame by frame, made smooth and given strides."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from app.simulation.motion import Motion
from app.simulation.people import Bools, Floats, People
from app.simulation.skeleton import stride_length

SMOOTHING = 0.12
"""Standard deviation in seconds of the average taken over positions: steps of avoiding are no jerks."""

STANDING = 0.06
"""Metres a second below which somebody stands."""


class Recording:
    """Everybody in every frame.

    Args:
        frames: How many there will be.
        people: How many.
        fps: Frames a second.
    """

    def __init__(self, frames: int, people: int, fps: float) -> None:
        self.fps = fps
        self.present = np.zeros((frames, people), np.bool_)
        self.position = np.zeros((frames, people, 2))
        self.heading = np.zeros((frames, people))
        self.gaze = np.zeros((frames, people))
        self.visit = np.zeros((frames, people), np.int64)

    def add(self, frame: int, people: People) -> None:
        """Notes where everybody is in a frame."""
        self.present[frame] = people.present
        self.position[frame] = people.position
        self.heading[frame] = people.heading
        self.gaze[frame] = people.gaze
        self.visit[frame] = np.where(people.present, people.area, -1)

    def motions(self, heights: Floats, random: np.random.Generator) -> tuple[Motion, ...]:
        """The frames as motion.

        Args:
            heights: (people,) metres, for the lengths of strides.
            random: Decides at which point of a stride people come in.

        Returns:
            One motion a frame.
        """
        frames, people = self.present.shape
        speed, phase = np.zeros((frames, people)), np.zeros((frames, people))
        for person in range(people):
            for start, end in self._visits(person):
                track = self._smooth(self.position[start:end, person])
                self.position[start:end, person] = track
                if end - start > 1:
                    pace = np.linalg.norm(np.gradient(track, axis=0), axis=-1) * self.fps
                    speed[start:end, person] = np.where(pace < STANDING, 0, pace)
                strides = speed[start:end, person] / self.fps / stride_length(speed[start:end, person], heights[person])
                phase[start:end, person] = np.cumsum(strides) + random.random()
        phase %= 1
        heading = np.angle(np.exp(1j * self.heading))
        return tuple(self._motion(frame, heading, speed, phase) for frame in range(frames))

    def _motion(self, frame: int, heading: Floats, speed: Floats, phase: Floats) -> Motion:
        there: Bools = self.present[frame]
        return Motion(
            np.flatnonzero(there).astype(np.int32),
            self.position[frame, there],
            heading[frame, there],
            speed[frame, there],
            phase[frame, there],
            self.gaze[frame, there],
        )

    def _visits(self, person: int) -> list[tuple[int, int]]:
        """First frames of a person's stays in areas, and the frames after the last."""
        visit = np.concatenate([[-1], self.visit[:, person], [-1]])
        changes = np.flatnonzero(np.diff(visit))
        return [(int(start), int(end)) for start, end in pairwise(changes) if self.visit[start, person] >= 0]

    def _smooth(self, track: Floats) -> Floats:
        """A path (t, 2) averaged over a moment, its ends kept."""
        sigma = SMOOTHING * self.fps
        reach = min(int(np.ceil(3 * sigma)), len(track) - 1)
        if reach < 1:
            return track
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        weights /= weights.sum()
        before = 2 * track[0] - track[reach:0:-1]
        after = 2 * track[-1] - track[-2 : -reach - 2 : -1]
        longer = np.concatenate([before, track, after])
        return np.stack([np.convolve(longer[:, axis], weights, "valid") for axis in (0, 1)], axis=-1)
