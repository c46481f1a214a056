"""Where people stand, for cameras whose homography is known: a person is at one place at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from app.config import CameraConfig
from trackers.tracklet import Tracklet

Floats = npt.NDArray[np.float64]

ENOUGH = 5
"""Pairs that surely show one person from which two homographies are judged."""

LATEST = 50
"""Such pairs that count."""


def homographies(cameras: Sequence[CameraConfig]) -> dict[str, Sequence[Sequence[float]]]:
    """Those that the configuration gives, by camera name."""
    return {camera.name: camera.homography for camera in cameras if camera.homography is not None}


class Ground:
    """Distances on the ground between people at once in two cameras."""

    def __init__(self, homographies: Mapping[str, Sequence[Sequence[float]]], metres: float, clocks: float) -> None:
        """Takes what is known of the cameras.

        Args:
            homographies: 3 × 3 by camera name, from source pixels to metres on a ground that all share.
            metres: Distance up to which two places are one.
            clocks: Seconds that the clocks of two cameras may be apart.
        """
        self._homographies = {name: np.asarray(rows, np.float64) for name, rows in homographies.items()}
        self._metres, self._clocks = metres, clocks
        self._sure: dict[tuple[str, str], list[float]] = {}
        self.warnings: list[str] = []

    @property
    def alone(self) -> bool:
        """Whether no two cameras' places are known."""
        return len(self._homographies) < 2

    def known(self, camera: str, other: str) -> bool:
        """Whether both cameras' places are known, and agree as far as has been seen."""
        return camera in self._homographies and other in self._homographies and not self._disagree(camera, other)

    def places(self, camera: str, tracklet: Tracklet) -> Floats:
        """Where the feet of each box stand, metres, `(n, 2)`; NaN for those at the horizon or above it."""
        boxes = tracklet.boxes.astype(np.float64)
        feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3], np.ones(len(boxes))])
        x, y, scale = self._homographies[camera] @ feet
        # Below the horizon the scale has the sign that it has for the lowest boxes.
        lowest = scale[boxes[:, 3].argmax()]
        with np.errstate(divide="ignore", invalid="ignore"):
            there = np.stack([x / scale, y / scale], axis=1)
        return np.asarray(np.where((scale * lowest > 0)[:, None], there, np.nan))

    def apart(self, camera: str, tracklet: Tracklet, other: str, theirs: Tracklet) -> float:
        """Metres between two tracklets while both are seen: the median, by the clocks that suit them best.

        Returns:
            NaN where they are not seen at once.
        """
        mine, yours = self.places(camera, tracklet), self.places(other, theirs)
        best = np.nan
        for shift in np.linspace(-self._clocks, self._clocks, 9) if self._clocks else (0.0,):
            times = tracklet.times + shift
            inside = (times >= theirs.times[0]) & (times <= theirs.times[-1])
            if inside.any():
                there = np.stack([np.interp(times[inside], theirs.times, yours[:, i]) for i in (0, 1)], axis=1)
                gaps = np.hypot(*(mine[inside] - there).T)
                gaps = gaps[np.isfinite(gaps)]
                if len(gaps):
                    best = np.fmin(best, float(np.median(gaps)))
        return float(best)

    def far(self, metres: float) -> bool:
        """Whether two places cannot be one."""
        return metres > self._metres

    def learn(self, camera: str, other: str, metres: float) -> None:
        """Notes how far two tracklets are apart that surely show one person."""
        first, second = sorted((camera, other))
        sure = self._sure.setdefault((first, second), [])
        before = self._disagree(first, second)
        sure.append(metres)
        del sure[:-LATEST]
        if self._disagree(first, second) and not before:
            self.warnings.append(
                f"cameras {first} and {second}: their homographies disagree: the same people are "
                f"{float(np.median(sure)):.1f} m apart; they are not used; measure them anew"
            )

    def _disagree(self, camera: str, other: str) -> bool:
        first, second = sorted((camera, other))
        sure = self._sure.get((first, second), [])
        return len(sure) >= ENOUGH and float(np.median(sure)) > self._metres
